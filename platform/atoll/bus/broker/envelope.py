"""The envelope: the JSON body of each message (docs/messages.md), written and read."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from atoll import context, tracing, wire
from atoll.bus.handlers.registry import Kind
from atoll.errors import Misuse, Refusal
from atoll.tracing import TraceContext

MAX_NAME_BYTES = 255  # an AMQP short string
MAX_ID_CHARACTERS = 255


class Unreadable(Exception):
    """The body is no envelope; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """A message that was read from the wire.

    ``sent_at`` is the time of reading when the message names none; ``has_time`` tells.
    ``claimed_sender`` is `serviceId` as the body has it. A message that is ``for_nobody`` is stored without
    deliveries, even if a handler takes it by then.
    """

    dedupe_key: str
    message_id: str
    kind: Kind
    name: str
    data: dict[str, Any]
    body: str
    service_id: str
    correlation_id: str
    version: int
    sent_at: datetime
    key: str
    key_sequence: int | None
    has_time: bool = True
    claimed_sender: Any = None
    for_nobody: bool = False
    traceparent: str = ""


def build(
    *,
    kind: Kind,
    name: str,
    message_id: UUID,
    data: dict[str, Any],
    service_id: str,
    correlation_id: str,
    version: int,
) -> str:
    """The body of a message with the present time. Raises Misuse when it is larger than receivers read."""
    timestamp = wire.timestamp()
    body = wire.dumps(
        {
            "id": str(message_id),
            "eventType" if kind == "event" else "command": name,
            "data": {**data, "timestamp": timestamp},
            "timestamp": timestamp,
            "serviceId": service_id,
            "correlationId": correlation_id,
            "version": version,
        }
    )
    if len(body) > wire.MAX_BYTES:
        largest = max(data, key=lambda field: len(wire.dumps(data[field])), default="data")
        raise Misuse(
            f"{name} has {len(body)} bytes, and {wire.MAX_BYTES} is the most that is read; the largest "
            f"field is {largest}. Announce where the content is, not the content."
        )
    return body.decode()


def traceparent(correlation_id: str, message_id: UUID | str, published_at: str = "") -> str:
    """The header of a message: its span, in the trace in which it was published.

    ``published_at`` is the header of the span that published it. Without one the correlation id names the
    trace.
    """
    parent = tracing.parse(published_at)
    trace_id = parent.trace_id if parent else tracing.trace_of(correlation_id)
    is_sampled = parent is None or parent.sampled
    return TraceContext(trace_id, tracing.span_of(message_id), is_sampled).header()


def parse(
    body: bytes, properties: Mapping[str, Any], headers: Mapping[str, Any], *, sender: str = ""
) -> Envelope:
    """Read a message of any producer in any language. Raises Unreadable.

    ``id``, ``version``, ``timestamp``, ``serviceId`` and ``correlationId`` may be absent: AMQP's
    properties stand in, then a default. ``sender`` is the proven sender; it replaces the one that the
    message names.
    """
    try:
        document = wire.loads(body)
    except Refusal as error:
        raise Unreadable(error.message) from error
    if not isinstance(document, dict):
        raise Unreadable("The body is not a JSON object.")
    kind, name = _kind_and_name(document)
    data = document.get("data", {})
    if not isinstance(data, dict):
        raise Unreadable("`data` is not an object.")
    claimed = document.get("serviceId")
    service_id = sender or _text(claimed) or _text(properties.get("app_id")) or "unknown"
    if len(service_id) > MAX_ID_CHARACTERS:
        raise Unreadable("`serviceId` is longer than 255 characters.")
    identifier = _identifier(document.get("id")) or _identifier(properties.get("message_id"))
    if identifier:
        dedupe_key = f"{service_id}/{identifier}"
    else:
        digest = hashlib.sha256(_canonical(document)).hexdigest()
        identifier, dedupe_key = digest, f"sha256/{digest}"
    moment = _moment(document.get("timestamp"))
    return Envelope(
        dedupe_key=dedupe_key,
        message_id=identifier,
        kind=kind,
        name=name,
        data=data,
        body=body.decode(),
        service_id=service_id,
        correlation_id=context.accept_correlation_id(
            _text(document.get("correlationId")) or _text(properties.get("correlation_id"))
        ),
        version=_version(document.get("version")),
        sent_at=moment or datetime.now(UTC),
        has_time=moment is not None,
        key=_text(headers.get("x-atoll-key")) or "",
        key_sequence=_sequence(headers.get("x-atoll-seq")),
        claimed_sender=claimed,
        traceparent=_trace(headers.get("traceparent")),
    )


def _kind_and_name(document: dict[str, Any]) -> tuple[Kind, str]:
    found: list[tuple[Kind, Any]] = []
    if "eventType" in document:
        found.append(("event", document["eventType"]))
    if "command" in document:
        found.append(("command", document["command"]))
    if len(found) != 1:
        raise Unreadable("There must be exactly one of `eventType` and `command`.")
    kind, name = found[0]
    if not isinstance(name, str) or not name or len(name.encode()) > MAX_NAME_BYTES:
        raise Unreadable("`eventType` or `command` is not a name of 1 to 255 bytes.")
    return kind, name


def _identifier(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Unreadable("`id` is not a string.")
    text = _text(str(value))
    if text is None or len(text) > MAX_ID_CHARACTERS:
        raise Unreadable("`id` is not a storable string of at most 255 characters.")
    return text


def _version(value: Any) -> int:
    if value is None:
        return 1
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**31:
        raise Unreadable("`version` is not a positive whole number.")
    return value


def _moment(value: Any) -> datetime | None:
    """The time of sending; None for an unknown format, which is no reason to refuse a message."""
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def _sequence(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        value = int(value)
    # In AMQP a header may be true, which Python counts as the number 1 and PostgreSQL does not.
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 < value < 2**63 else None


def _trace(value: Any) -> str:
    """A well-formed ``traceparent`` as we write it; empty for any other value."""
    place = tracing.parse(value) if isinstance(value, str) else None
    return place.header() if place else ""


def _text(value: Any) -> str | None:
    """The value when it is a text that a database can store: without NUL and lone surrogates."""
    if not isinstance(value, str) or not value or "\x00" in value:
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        return None
    return value


def _canonical(document: dict[str, Any]) -> bytes:
    """The document as bytes, in one order of fields. The number 1.5 and the text "1.5" give other bytes."""
    return wire.JSONEncoder(sort_keys=True, separators=(",", ":")).encode(document).encode()
