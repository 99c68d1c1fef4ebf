"""Traces: spans of requests, calls, messages and handlers, linked by W3C trace context.

``span`` opens one around a block of code. Code that uses OpenTelemetry's API is part of the same traces.
docs/tracing.md says which spans there are and which are kept.
"""

from atoll.tracing.process import (
    Held,
    current_header,
    current_place,
    recorder,
    remember,
    resume,
    span,
    start,
    stop,
)
from atoll.tracing.recorder import Record
from atoll.tracing.sender import Origin
from atoll.tracing.w3c import TraceContext, new_span_id, parse, span_of, trace_of

__all__ = [
    "Held",
    "Origin",
    "Record",
    "TraceContext",
    "current_header",
    "current_place",
    "new_span_id",
    "parse",
    "recorder",
    "remember",
    "resume",
    "span",
    "span_of",
    "start",
    "stop",
    "trace_of",
]
