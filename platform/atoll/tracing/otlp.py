"""Export of spans to an OpenTelemetry collector over OTLP/HTTP, when the standard variables name one."""

import logging
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from atoll.tracing.recorder import Record

if TYPE_CHECKING:
    from atoll.tracing.sender import Origin

log = logging.getLogger(__name__)

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
MISSING = "OTEL_EXPORTER_OTLP_ENDPOINT is set, and requirements/otlp.txt is not installed: no export."


def is_wanted() -> bool:
    """Whether a standard variable names a collector."""
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
    except ImportError:
        log.error(MISSING)
        return None
    sink = OTLPSpanExporter()
    resource = Resource.create(
        {
            "service.name": origin.service,
            "service.instance.id": origin.instance,
            "process.role": origin.process,
        }
    )

    def readable(span: Record) -> Any:
        place = _context(span.trace_id, span.span_id, span.sampled)
        return ReadableSpan(
            name=span.name,
            context=place,
            parent=_context(span.trace_id, span.parent_id, span.sampled) if span.parent_id else None,
            resource=resource,
            attributes={**span.attributes, "atoll.correlation_id": span.correlation_id},
            kind=SpanKind[span.kind.upper()],
            status=Status(StatusCode.ERROR, span.error) if span.error else Status(),
            start_time=span.started_us * 1000,
            end_time=(span.started_us + span.duration_us) * 1000,
        )

    def export(spans: Sequence[Record]) -> None:
        if sink.export([readable(span) for span in spans]) is not SpanExportResult.SUCCESS:
            raise ConnectionError("the collector did not take them")

    return export


def _context(trace_id: str, span_id: str, sampled: bool) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=flags)
