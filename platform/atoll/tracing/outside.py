"""Spans of OpenTelemetry's SDK, in a process that records nothing itself and whose project has the SDK.

Such a process is a web server of the project's own, started with ``opentelemetry-instrument`` for instance.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode

from atoll import __version__
from atoll.tracing import spans
from atoll.tracing.w3c import TraceContext


class OutsideSpan:
    """A span of the SDK with the methods of `spans.Span` that Atoll uses."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self.place = spans.place_of(span)

    def set_attribute(self, key: str, value: Any) -> None:
        if value is not None:
            self._span.set_attribute(key, spans.bounded(value))

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def update_name(self, name: str) -> None:
        self._span.update_name(name)

    def fail(self, error: str) -> None:
        self._span.set_status(Status(StatusCode.ERROR, error))

    def record_exception(self, error: BaseException) -> None:
        self._span.record_exception(error)
        self._span.set_attribute("error.type", type(error).__qualname__)
        self.fail(f"{type(error).__name__}: {error}")


def tracer() -> trace.Tracer | None:
    """The SDK's tracer; None where the project has set up none."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider | spans.Provider):
        return None
    return provider.get_tracer("atoll", __version__)


@contextmanager
def span(
    tracer: trace.Tracer,
    name: str,
    kind: str,
    parent: TraceContext | None,
    attributes: Mapping[str, Any] | None,
    is_entry: bool,
    harmless: tuple[type[BaseException], ...],
) -> Iterator[OutsideSpan]:
    """As ``tracing.span``. Where the project's own instrumentation has opened a span for the request, that is
    the parent of the server's span."""
    has_own = kind == "server" and trace.get_current_span().get_span_context().is_valid
    around: Context | None = None
    if parent is not None and not has_own:
        far = trace.NonRecordingSpan(spans.span_context(parent, is_remote=True))
        around = trace.set_span_in_context(far)
    elif is_entry:
        around = Context()
    with tracer.start_as_current_span(
        name,
        context=around,
        kind=SpanKind[kind.upper()],
        record_exception=False,
        set_status_on_exception=False,
    ) as opened:
        wrapped = OutsideSpan(opened)
        wrapped.set_attributes(attributes or {})
        try:
            yield wrapped
        except BaseException as error:
            if not isinstance(error, harmless):
                wrapped.record_exception(error)
            raise
