"""Spans in a process without a recorder: of OpenTelemetry's SDK where a project has set it up, else none."""

from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from atoll import tracing
from atoll.client.headers import for_attempt
from atoll.discovery.instances import Instance
from atoll.tracing import TraceContext, process

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
FAR = TraceContext(TRACE, SPAN, sampled=True)


@pytest.fixture(autouse=True)
def _no_recorder() -> Iterator[None]:
    former = process.use(None)
    yield
    process.use(former)


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """The SDK, set up as a project does it."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    return exporter


def of(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def test_without_the_sdk_there_are_no_spans_and_the_trace_passes_through(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trace, "get_tracer_provider", trace.ProxyTracerProvider)
    with tracing.span("request", "server", parent=FAR) as span:
        span.set_attribute("http.route", "/orders")
        assert tracing.current_header() == FAR.header()
    with tracing.span("alone"):
        assert tracing.current_header() == ""


def test_spans_of_the_sdk_continue_the_trace_of_the_caller(exported: InMemorySpanExporter):
    with tracing.span("GET", "server", parent=FAR, attributes={"url.path": "/orders", "none": None}) as span:
        span.update_name("GET /orders")
        span.set_attribute("http.route", "/orders")
        with tracing.span("GET user-service", "client"):
            sent = for_attempt(Instance("a", "10.0.0.7", 8000), 1.0)["traceparent"]

    found = of(exported)
    server, client = found["GET /orders"], found["GET user-service"]
    assert server.parent is not None
    assert client.parent is not None
    assert (f"{server.context.trace_id:032x}", f"{server.parent.span_id:016x}") == (TRACE, SPAN)
    assert client.parent.span_id == server.context.span_id
    assert sent == f"00-{TRACE}-{client.context.span_id:016x}-01"
    assert (server.kind, client.kind) == (SpanKind.SERVER, SpanKind.CLIENT)
    assert dict(server.attributes or {}) == {"url.path": "/orders", "http.route": "/orders"}
    assert server.instrumentation_scope is not None
    assert server.instrumentation_scope.name == "atoll"


def test_the_span_of_the_projects_own_instrumentation_is_the_parent(exported: InMemorySpanExporter):
    django = trace.get_tracer_provider().get_tracer("django")
    with django.start_as_current_span("GET orders/") as own, tracing.span("GET", "server", parent=FAR):
        pass
    parent = of(exported)["GET"].parent
    assert parent is not None
    assert parent.span_id == own.get_span_context().span_id


def test_an_entry_without_a_caller_begins_a_trace(exported: InMemorySpanExporter):
    with tracing.span("request"), tracing.span("process order.created", "consumer", is_entry=True):
        pass
    found = of(exported)
    assert found["process order.created"].parent is None
    assert found["process order.created"].context.trace_id != found["request"].context.trace_id


def test_an_exception_is_the_error_of_the_span_unless_it_is_harmless(exported: InMemorySpanExporter):
    for name, harmless in (("broken", ()), ("fine", (LookupError,))):
        with pytest.raises(KeyError), tracing.span(name, harmless=harmless):
            raise KeyError("price")
    with tracing.span("refused") as span:
        span.fail("500")

    found = of(exported)
    assert found["broken"].status.status_code is StatusCode.ERROR
    assert (found["broken"].attributes or {})["error.type"] == "KeyError"
    assert found["fine"].status.status_code is StatusCode.UNSET
    assert found["refused"].status.description == "500"
