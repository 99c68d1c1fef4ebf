"""Export of spans to an OpenTelemetry collector over OTLP/HTTP, when the standard variables name one."""

import logging
import os
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from atoll import __version__
from atoll.tracing.recorder import Record

if TYPE_CHECKING:
    from atoll.tracing.sender import Origin

log = logging.getLogger(__name__)

CLIENT_ERROR = 400
ERROR_TYPE = re.compile(r"[A-Za-z_][\w.]*(?=:|$)|[1-5]\d\d(?=\s|$)")
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
MISSING = "OTEL_EXPORTER_OTLP_ENDPOINT is set, and the extra `otlp` is not installed: no export."


def is_wanted() -> bool:
    """Whether the standard variables name a collector, and do not turn the export off."""
    if (os.environ.get("OTEL_SDK_DISABLED") or "").lower() == "true":
        return False
    if "otlp" not in (os.environ.get("OTEL_TRACES_EXPORTER") or "otlp").split(","):
        return False
    return any(os.environ.get(name) for name in ENDPOINTS)


def exporter(origin: "Origin") -> Callable[[Sequence[Record]], None] | None:
    """A function that exports spans. None without an endpoint, or without the packages for it."""
    if not is_wanted():
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.sdk.trace.export import SpanExportResult
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    except ImportError:
        log.error(MISSING)
        return None
    sink = OTLPSpanExporter()
    facts = {"service.instance.id": origin.instance, "atoll.process": origin.process}
    if not os.environ.get("OTEL_SERVICE_NAME"):
        facts["service.name"] = origin.service
    resource = Resource.create(facts)  # adds OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
    scope = InstrumentationScope("atoll", __version__)

    def readable(span: Record) -> Any:
        place = _context(span.trace_id, span.span_id, span.sampled)
        return ReadableSpan(
            name=span.name,
            context=place,
            parent=_context(span.trace_id, span.parent_id, span.sampled) if span.parent_id else None,
            resource=resource,
            attributes=_attributes(span),
            kind=SpanKind[span.kind.upper()],
            status=_status(span),
            instrumentation_scope=scope,
            start_time=span.started_us * 1000,
            end_time=(span.started_us + span.duration_us) * 1000,
        )

    def export(spans: Sequence[Record]) -> None:
        if sink.export([readable(span) for span in spans]) is not SpanExportResult.SUCCESS:
            raise ConnectionError("the collector did not take them")

    return export


def _attributes(span: Record) -> dict[str, Any]:
    """With the class or the status behind an error as ``error.type``."""
    found = {**span.attributes, "atoll.correlation_id": span.correlation_id}
    status = found.get("http.response.status_code", 0)
    if span.error:
        known = ERROR_TYPE.match(span.error)
        found["error.type"] = known[0] if known else "_OTHER"
    elif span.kind == "client" and status >= CLIENT_ERROR:
        found["error.type"] = str(status)
    return found


def _status(span: Record) -> Status:
    """By the conventions a client's span has failed with a 4xx answer, too. For Atoll itself a 4xx is an
    answer, and its trace is not kept for that."""
    if span.error:
        return Status(StatusCode.ERROR, span.error)
    is_refused = span.kind == "client" and span.attributes.get("http.response.status_code", 0) >= CLIENT_ERROR
    return Status(StatusCode.ERROR) if is_refused else Status()


def _context(trace_id: str, span_id: str, sampled: bool) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=flags)
