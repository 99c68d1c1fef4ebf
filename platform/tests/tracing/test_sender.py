"""Spans on their way to the registry and to a collector."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from atoll import wire
from atoll.tracing import Origin, otlp
from atoll.tracing.recorder import MAX_QUEUED, Record, Recorder
from atoll.tracing.sender import MAX_BYTES, Sender

ORIGIN = Origin("orders", "order-service", "order-service-1", "serve")


def made(number: int, *, trace: str = "a" * 32, sampled: bool = True, text: str = "") -> Record:
    return Record(
        trace, f"{number:016x}", "b" * 16, "c-1", "GET", "server", number, 5, "", sampled, {"text": text}
    )


class Registry:
    def __init__(self, wanted: list[str] | None = None) -> None:
        self.bodies: list[Any] = []
        self.sizes: list[int] = []
        self.wanted = wanted or []
        self.is_away = False

    def __call__(self, body: bytes) -> Any:
        if self.is_away:
            raise ConnectionError("away")
        self.sizes.append(len(body))
        self.bodies.append(wire.loads(body))
        return {"wanted": self.wanted}

    @property
    def span_ids(self) -> list[int]:
        return [int(span["spanId"], 16) for body in self.bodies for span in body["spans"]]


def test_spans_are_sent_with_their_origin():
    recorder, registry = Recorder(), Registry()
    recorder.keep(made(7))
    Sender(recorder, ORIGIN, post=registry).flush()
    (body,) = registry.bodies
    assert (body["serviceName"], body["instanceId"], body["process"]) == (
        "order-service", "order-service-1", "serve",
    )  # fmt: skip
    assert body["spans"][0]["spanId"] == f"{7:016x}"
    assert body["spans"][0]["attributes"] == {"text": ""}


def test_every_body_is_small_and_no_span_is_lost():
    recorder, registry = Recorder(), Registry()
    for number in range(3000):
        recorder.keep(made(number, text="x" * 500))
    Sender(recorder, ORIGIN, post=registry).flush()
    assert registry.span_ids == list(range(3000))
    assert max(registry.sizes) < MAX_BYTES + 1000


def test_spans_wait_while_the_registry_is_away_and_too_many_are_dropped():
    recorder, registry = Recorder(), Registry()
    sender = Sender(recorder, ORIGIN, post=registry)
    registry.is_away = True
    for number in range(MAX_QUEUED + 10):
        recorder.keep(made(number))
    sender.flush()
    assert recorder.dropped == 10
    registry.is_away = False
    sender.flush()
    assert sorted(registry.span_ids) == list(range(MAX_QUEUED))


def test_the_registry_gets_the_rest_of_a_trace_that_failed_elsewhere():
    recorder, registry = Recorder(), Registry(wanted=["a" * 32])
    recorder.keep(made(1, sampled=False))
    recorder.keep(made(2, sampled=False, trace="d" * 32))
    sender = Sender(recorder, ORIGIN, post=registry)
    sender.flush()  # asks
    sender.flush()
    assert registry.span_ids == [1]


def test_the_thread_sends_what_waits_at_the_end_of_the_process():
    recorder, registry = Recorder(), Registry()
    sender = Sender(recorder, ORIGIN, post=registry)
    recorder.on_first = sender.begin
    recorder.keep(made(1))
    sender.stop()
    assert registry.span_ids == [1]


class Collector(HTTPServer):
    """An OTLP receiver that keeps what it gets."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, bytes]] = []
        super().__init__(("127.0.0.1", 0), Receiving)


class Receiving(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        return


def test_a_collector_gets_the_spans_over_otlp(monkeypatch: pytest.MonkeyPatch):
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    collector = Collector()
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    try:
        export = otlp.exporter(ORIGIN)
        assert export is not None
        recorder = Recorder()
        recorder.keep(made(9)._replace(error="500"))
        Sender(recorder, ORIGIN, post=Registry(), export=export).flush()
    finally:
        collector.shutdown()
        collector.server_close()
    ((path, body),) = collector.requests
    assert path == "/v1/traces"
    (resource,) = ExportTraceServiceRequest.FromString(body).resource_spans
    assert {one.key: one.value.string_value for one in resource.resource.attributes}["service.name"] == (
        "order-service"
    )
    (span,) = resource.scope_spans[0].spans
    assert (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()) == (
        "a" * 32, f"{9:016x}", "b" * 16,
    )  # fmt: skip
    assert span.status.message == "500"


def test_without_an_endpoint_nothing_is_exported(monkeypatch: pytest.MonkeyPatch):
    for name in otlp.ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    assert otlp.exporter(ORIGIN) is None


def exported(monkeypatch: pytest.MonkeyPatch, *spans: Record) -> tuple[dict[str, str], list[Any]]:
    """The resource, and the spans as a collector gets them."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    collector = Collector()
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    try:
        export = otlp.exporter(ORIGIN)
        assert export is not None
        export(spans)
    finally:
        collector.shutdown()
        collector.server_close()
    ((_, body),) = collector.requests
    (told,) = ExportTraceServiceRequest.FromString(body).resource_spans
    resource = {one.key: one.value.string_value for one in told.resource.attributes}
    assert told.scope_spans[0].scope.name == "atoll"
    return resource, list(told.scope_spans[0].spans)


@pytest.mark.parametrize(
    ("kind", "error", "status", "told", "failed"),
    [
        ("client", "", 404, "404", True),
        ("server", "", 404, None, False),
        ("client", "", 200, None, False),
        ("server", "500", 500, "500", True),
        ("server", "502 bad_gateway", 502, "502", True),
        ("client", "NotSent: connection refused", None, "NotSent", True),
        ("consumer", "KeyError: 'price'", None, "KeyError", True),
        ("internal", "it went wrong", None, "_OTHER", True),
    ],
)
def test_an_error_has_its_type_by_the_semantic_conventions(
    monkeypatch: pytest.MonkeyPatch, kind: str, error: str, status: int | None, told: str | None, failed: bool
):
    from opentelemetry.proto.trace.v1.trace_pb2 import Status

    facts = {} if status is None else {"http.response.status_code": status}
    _, (span,) = exported(monkeypatch, made(9)._replace(kind=kind, error=error, attributes=facts))

    values = {one.key: one.value.string_value for one in span.attributes}
    assert values.get("error.type") == told
    assert (span.status.code == Status.StatusCode.STATUS_CODE_ERROR) is failed


def test_the_standard_variables_name_the_resource(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "orders-blue")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    resource, _ = exported(monkeypatch, made(1))

    assert (resource["service.name"], resource["deployment.environment.name"]) == ("orders-blue", "test")
    assert resource["service.instance.id"] == ORIGIN.instance


@pytest.mark.parametrize(
    ("variable", "value"), [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")]
)
def test_the_standard_variables_turn_the_export_off(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    assert otlp.is_wanted()
    monkeypatch.setenv(variable, value)
    assert not otlp.is_wanted()
    assert otlp.exporter(ORIGIN) is None
