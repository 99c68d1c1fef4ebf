"""The tracing of this process: its recorder, and the spans that code opens."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace

from atoll import conf
from atoll.conf import options
from atoll.tracing import otlp, outside, spans
from atoll.tracing.outside import OutsideSpan
from atoll.tracing.recorder import Record, Recorder
from atoll.tracing.sender import Origin, Sender
from atoll.tracing.spans import Span, current, place_of, span_context
from atoll.tracing.w3c import TraceContext

_recorder: Recorder | None = None
_sender: Sender | None = None
_origin: Origin | None = None


class Unrecorded(trace.NonRecordingSpan):
    """Carries a trace through a process that records nothing."""

    def __init__(self, place: TraceContext | None) -> None:
        super().__init__(span_context(place, is_remote=True) if place else trace.INVALID_SPAN_CONTEXT)
        self.place = place

    def fail(self, error: str) -> None:
        return


def start(origin: Origin) -> None:
    """Record spans from now on, and send them to the registry in the background.

    Nothing is recorded with TRACES=false, and where neither a registry nor a collector would get the spans.
    A second call changes nothing. TRACES_PER_SECOND (2) and TRACES_SLOW_MS (1000) change the sampling.
    Raises ImproperlyConfigured for an invalid value.
    """
    global _recorder, _sender, _origin
    if _recorder is not None or not options.TRACES.value(origin.project):
        return
    if not conf.has_registry() and not otlp.is_wanted():
        return
    _origin = origin
    _begin_anew()
    os.register_at_fork(after_in_child=_begin_anew)
    if outside.tracer() is None:
        # A provider that the project has set up stays. Its spans and ours are of the same traces.
        trace.set_tracer_provider(spans.Provider(_Latest()))  # type: ignore[arg-type]


def stop() -> None:
    """Send what waits, within a second, and end the thread."""
    if _sender is not None:
        _sender.stop()


def use(recorder: Recorder | None) -> Recorder | None:
    """Record with another recorder. Returns the former one. For tests."""
    global _recorder
    former, _recorder = _recorder, recorder
    return former


def recorder() -> Recorder | None:
    """The recorder of this process. None when nothing is recorded."""
    return _recorder


@contextmanager
def span(
    name: str,
    kind: str = "internal",
    *,
    parent: TraceContext | None = None,
    attributes: Mapping[str, Any] | None = None,
    held: "Held | None" = None,
    is_entry: bool = False,
    harmless: tuple[type[BaseException], ...] = (),
) -> Iterator[Span | Unrecorded | OutsideSpan]:
    """The ``with`` block is a span of this name; an exception that leaves it is the span's error.

    ``kind`` is OpenTelemetry's: internal, server, client, producer or consumer. Without a ``parent`` the
    current span is the parent, else a trace begins. An entry into this process has no other parent than the
    given one. The span waits in ``held``, if it is given. ``harmless`` exceptions are no error. In a process
    that records nothing itself the span is one of OpenTelemetry's SDK, where that is set up.
    """
    if parent is None and not is_entry:
        parent = place_of(trace.get_current_span())
    if _recorder is None and (tracer := outside.tracer()) is not None:
        with outside.span(tracer, name, kind, parent, attributes, is_entry, harmless) as foreign:
            yield foreign
        return
    if _recorder is None:
        unrecorded = Unrecorded(parent)
        with current(unrecorded):
            yield unrecorded
        return
    opened = spans.begin(_recorder, name, kind, parent, attributes, held=held)
    try:
        with current(opened):
            yield opened
    except BaseException as error:
        if not isinstance(error, harmless):
            opened.record_exception(error)
        raise
    finally:
        opened.end()


@contextmanager
def resume(place: TraceContext | None) -> Iterator[None]:
    """The ``with`` block belongs to a span that has ended, or that another process has."""
    with current(Unrecorded(place)):
        yield


def current_place() -> TraceContext | None:
    """Where the running code is. None outside of traces."""
    return place_of(trace.get_current_span())


def current_header() -> str:
    """The ``traceparent`` for things that the running code causes. Empty outside of traces."""
    place = current_place()
    return place.header() if place else ""


def remember(record: Record) -> None:
    """Keep a span that was not opened by ``span``."""
    if _recorder is not None:
        _recorder.keep(record)


class Held:
    """Finished spans that wait for the end of a transaction."""

    def __init__(self) -> None:
        self._spans: list[Record] = []

    def keep(self, span: Record) -> None:
        self._spans.append(span)

    def release(self, *, undone: bool = False) -> None:
        """Keep them. ``undone``: the transaction was rolled back, and their work with it."""
        spans, self._spans = self._spans, []
        for one in spans:
            remember(one._replace(attributes={**one.attributes, "atoll.undone": True}) if undone else one)


class _Latest:
    """The recorder of this process, also after a fork."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_recorder, name)


def _begin_anew() -> None:
    """In a forked child the parent's spans are the parent's, and its thread is not here."""
    global _recorder, _sender
    if _origin is None:
        return
    recorder = Recorder(
        traces_per_s=options.TRACES_PER_SECOND.value(_origin.project),
        slow_ms=options.TRACES_SLOW_MS.value(_origin.project),
    )
    _sender = Sender(recorder, _origin)
    recorder.on_first = _sender.begin
    _recorder = recorder
