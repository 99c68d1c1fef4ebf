"""Checks a batch of spans. Its sender is a service of ours with a credential; values are still bounded."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from atoll import wire
from atoll.errors import InvalidInput

MAX_SPANS = 500
MAX_BODY_BYTES = 256 * 1024
MAX_NAME, MAX_TEXT = 200, 512
MAX_ATTRIBUTES, MAX_ATTRIBUTE_BYTES = 32, 8192
MAX_DURATION_US = 24 * 60 * 60 * 1_000_000
# Clocks differ, and a span is told after its end.
EARLIEST, LATEST = timedelta(hours=25), timedelta(minutes=5)
KINDS = frozenset({"internal", "server", "client", "producer", "consumer"})
TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}", re.ASCII)
SPAN_ID = re.compile(r"(?!0{16})[0-9a-f]{16}", re.ASCII)
CORRELATION_ID = re.compile(r"[A-Za-z0-9-]{0,64}", re.ASCII)
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}", re.ASCII)


@dataclass(frozen=True)
class Told:
    """One span of a batch."""

    trace_id: UUID
    span_id: str
    parent_id: str
    correlation_id: str
    name: str
    kind: str
    started_at: datetime
    duration_us: int
    error: str
    attributes: str
    size: int


@dataclass(frozen=True)
class Batch:
    service: str
    instance: str
    process: str
    spans: list[Told]


def read(body: dict[str, Any], now: datetime | None = None) -> Batch:
    """Raises InvalidInput, which names the field. Unknown fields are ignored."""
    spans = body.get("spans")
    if not isinstance(spans, list) or len(spans) > MAX_SPANS:
        raise _invalid("spans", f"an array of at most {MAX_SPANS}")
    now = now or datetime.now(UTC)
    return Batch(
        service=_matching("serviceName", body.get("serviceName"), WORD),
        instance=_matching("instanceId", body.get("instanceId"), WORD),
        process=_matching("process", body.get("process"), WORD),
        spans=[_span(f"spans[{number}]", one, now) for number, one in enumerate(spans)],
    )


def _span(field: str, value: Any, now: datetime) -> Told:
    if not isinstance(value, dict):
        raise _invalid(field, "an object")
    attributes = _attributes(f"{field}.attributes", value.get("attributes", {}))
    name = _text(f"{field}.name", value.get("name"), MAX_NAME)
    error = _text(f"{field}.error", value.get("error", ""), MAX_TEXT)
    parent = value.get("parentId", "")
    return Told(
        trace_id=UUID(_matching(f"{field}.traceId", value.get("traceId"), TRACE_ID)),
        span_id=_matching(f"{field}.spanId", value.get("spanId"), SPAN_ID),
        parent_id=_matching(f"{field}.parentId", parent, SPAN_ID) if parent != "" else "",
        correlation_id=_matching(f"{field}.correlationId", value.get("correlationId", ""), CORRELATION_ID),
        name=name,
        kind=_kind(f"{field}.kind", value.get("kind")),
        started_at=_moment(f"{field}.startedUs", value.get("startedUs"), now),
        duration_us=_whole(f"{field}.durationUs", value.get("durationUs"), MAX_DURATION_US),
        error=error,
        attributes=attributes,
        size=len(attributes) + len(name) + len(error) + 200,
    )


def _kind(field: str, value: Any) -> str:
    if not isinstance(value, str) or value not in KINDS:
        raise _invalid(field, f"one of {', '.join(sorted(KINDS))}")
    return value


def _moment(field: str, value: Any, now: datetime) -> datetime:
    microseconds = _whole(field, value, 2**53)
    try:
        moment = datetime.fromtimestamp(microseconds // 1_000_000, UTC) + timedelta(
            microseconds=microseconds % 1_000_000
        )
    except (OverflowError, OSError, ValueError):
        raise _invalid(field, "a time of the last day, in microseconds since 1970") from None
    if not now - EARLIEST < moment < now + LATEST:
        raise _invalid(field, "a time of the last day, in microseconds since 1970")
    return moment


def _attributes(field: str, value: Any) -> str:
    """The attributes as JSON text."""
    if not isinstance(value, dict) or len(value) > MAX_ATTRIBUTES:
        raise _invalid(field, f"an object of at most {MAX_ATTRIBUTES} keys")
    for key, item in value.items():
        if len(key) > MAX_NAME or not isinstance(item, str | int | float | Decimal | list):
            raise _invalid(field, "texts, numbers, true, false, and arrays of these")
    text = wire.dumps(value).decode()
    if len(text) > MAX_ATTRIBUTE_BYTES:
        raise _invalid(field, f"at most {MAX_ATTRIBUTE_BYTES} bytes of JSON")
    return text


def _text(field: str, value: Any, most: int) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise _invalid(field, f"a text of at most {most} characters")
    return value


def _whole(field: str, value: Any, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise _invalid(field, f"a whole number from 0 to {most}")
    return value


def _matching(field: str, value: Any, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _invalid(field, f"a text like {json.dumps(pattern.pattern)}")
    return value


def _invalid(field: str, expected: str) -> InvalidInput:
    return InvalidInput(
        f"{field} must be {expected}.", code="invalid_field", details={"fields": {field: expected}}
    )
