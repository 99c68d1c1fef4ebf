"""OpenTelemetry's API (package ``opentelemetry-api``) over Atoll's recorder.

The SDK's spans cost four times as much processor time, and decide about sampling at their beginning
(docs/decisions/0104). Everything that is written for the API works: ``trace.get_tracer(__name__)``,
``start_as_current_span``, ``trace.get_current_span()``.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from atoll import context
from atoll.tracing.recorder import Record, Recorder
from atoll.tracing.w3c import TraceContext, new_span_id, trace_of

MAX_ATTRIBUTES = 32
MAX_TEXT = 512
MAX_NAME = 200

_FLAGS = {True: TraceFlags(TraceFlags.SAMPLED), False: TraceFlags(TraceFlags.DEFAULT)}


class Keeper(Protocol):
    """Takes finished spans: a recorder, or a list of spans that wait."""

    def keep(self, span: Record) -> None: ...


class Span(trace.Span):
    """A span that its process records. Used by one thread at a time.

    At most MAX_ATTRIBUTES attributes, of which texts keep MAX_TEXT characters. Of events only exceptions are
    kept: they become the span's error.
    """

    __slots__ = (
        "_attributes", "_context", "_correlation_id", "_ended", "_error", "_name", "_recorder", "_started",
        "_started_ns", "kind", "parent_id", "place",
    )  # fmt: skip

    def __new__(cls, *_: Any, **__: Any) -> "Span":
        return object.__new__(cls)

    def __init__(
        self,
        recorder: Keeper,
        name: str,
        kind: str,
        place: TraceContext,
        parent_id: str,
        attributes: Mapping[str, Any] | None,
        started_ns: int | None = None,
    ) -> None:
        self._recorder = recorder
        self._name = name
        self.kind = kind
        self.place = place
        self.parent_id = parent_id
        self._attributes: dict[str, Any] = {}
        self._error = ""
        self._ended = False
        self._context: SpanContext | None = None
        self._correlation_id = context.correlation_id() or ""
        self._started_ns = started_ns or time.time_ns()
        self._started = time.perf_counter_ns()
        if attributes:
            self.set_attributes(attributes)

    def get_span_context(self) -> SpanContext:
        made = self._context
        if made is None:
            made = self._context = span_context(self.place, is_remote=False)
        return made

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def set_attribute(self, key: str, value: Any) -> None:
        if value is not None and (len(self._attributes) < MAX_ATTRIBUTES or key in self._attributes):
            self._attributes[key] = bounded(value)

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        if name == "exception" and attributes:
            kind, message = attributes.get("exception.type"), attributes.get("exception.message")
            self.fail(f"{kind}: {message}")

    def record_exception(
        self,
        exception: BaseException,
        attributes: Any = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        self.fail(f"{type(exception).__name__}: {exception}")

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        code = status
        if isinstance(status, Status):
            code, description = status.status_code, status.description
        if code is StatusCode.ERROR:
            self.fail(description or self._error or "error")
        elif code is StatusCode.OK:
            self._error = ""

    def fail(self, error: str) -> None:
        """Mark the span as failed; its trace is kept."""
        self._error = storable(error[:MAX_TEXT])

    def update_name(self, name: str) -> None:
        self._name = name

    def is_recording(self) -> bool:
        return not self._ended

    def end(self, end_time: int | None = None) -> None:
        """``end_time`` is in nanoseconds since 1970. A second call changes nothing."""
        if self._ended:
            return
        self._ended = True
        took_ns = time.perf_counter_ns() - self._started if end_time is None else end_time - self._started_ns
        place = self.place
        self._recorder.keep(
            Record(
                place.trace_id,
                place.span_id,
                self.parent_id,
                self._correlation_id,
                storable(self._name[:MAX_NAME]),
                self.kind,
                self._started_ns // 1000,
                max(0, took_ns // 1000),
                self._error,
                place.sampled,
                self._attributes,
            )
        )


class Tracer(trace.Tracer):
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Any = None,
        links: Sequence[Any] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> trace.Span:
        place = place_of(trace.get_current_span(context))
        return begin(self._recorder, name, kind.name.lower(), place, attributes, started_ns=start_time)

    @contextmanager
    def start_as_current_span(  # type: ignore[override]
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Any = None,
        links: Sequence[Any] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> Iterator[trace.Span]:
        span = self.start_span(name, context, kind, attributes, links, start_time)
        with trace.use_span(
            span,
            end_on_exit=end_on_exit,
            record_exception=record_exception,
            set_status_on_exception=set_status_on_exception,
        ):
            yield span


class Provider(trace.TracerProvider):
    def __init__(self, recorder: Recorder) -> None:
        self._tracer = Tracer(recorder)

    def get_tracer(self, *_: Any, **__: Any) -> trace.Tracer:
        return self._tracer


def begin(
    recorder: Recorder,
    name: str,
    kind: str,
    parent: TraceContext | None,
    attributes: Mapping[str, Any] | None = None,
    *,
    started_ns: int | None = None,
    held: Keeper | None = None,
) -> Span:
    """Without a ``parent`` a trace begins, with the id of the running work."""
    if parent is None:
        correlation_id = context.correlation_id() or context.new_correlation_id()
        parent = TraceContext(trace_of(correlation_id), "", recorder.sample())
    place = TraceContext(parent.trace_id, new_span_id(), parent.sampled)
    return Span(recorder if held is None else held, name, kind, place, parent.span_id, attributes, started_ns)


def place_of(span: trace.Span) -> TraceContext | None:
    """Where a span is. None for the span that stands for no span."""
    if isinstance(span, Span):
        return span.place
    found = span.get_span_context()
    if not found.is_valid:
        return None
    return TraceContext(f"{found.trace_id:032x}", f"{found.span_id:016x}", found.trace_flags.sampled)


def span_context(place: TraceContext, *, is_remote: bool) -> SpanContext:
    return SpanContext(int(place.trace_id, 16), int(place.span_id, 16), is_remote, _FLAGS[place.sampled])


@contextmanager
def current(span: trace.Span) -> Iterator[None]:
    """Inside of the ``with`` block the span is the current one of OpenTelemetry's API."""
    token = otel_context.attach(trace.set_span_in_context(span))
    try:
        yield
    finally:
        otel_context.detach(token)


def bounded(value: Any) -> Any:
    """A value that JSON can hold, in few bytes."""
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return storable(value[:MAX_TEXT])
    if isinstance(value, list | tuple):
        return [bounded(one) for one in value[:MAX_ATTRIBUTES]]
    return storable(str(value)[:MAX_TEXT])


def storable(text: str) -> str:
    """The text without the characters that JSON readers and PostgreSQL refuse."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "").encode(errors="replace").decode()
