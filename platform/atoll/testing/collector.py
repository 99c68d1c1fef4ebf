"""An OpenTelemetry collector for tests: it receives spans over OTLP/HTTP on loopback and keeps them."""

import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

PATH = "/v1/traces"


@dataclass(frozen=True)
class Collected:
    """A span as a collector gets it. ``kind`` is ``server``, ``client``, ``producer`` or another one."""

    service: str
    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: str
    attributes: dict[str, Any]


class Collector:
    """Needs the packages of ``requirements/otlp.txt``. Thread-safe."""

    def __init__(self) -> None:
        self._spans: list[Collected] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def endpoint(self) -> str:
        """The value of OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def trace(self, trace_id: str) -> list[Collected]:
        """The spans of a trace that have arrived, in the order of arrival."""
        return [span for span in tuple(self._spans) if span.trace_id == trace_id]

    def _handler(collector) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                is_known = self.path == PATH
                if is_known:
                    collector._spans += read(body)
                self.send_response(200 if is_known else 404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                return

        return Handler


def read(body: bytes) -> Iterator[Collected]:
    """The spans of one request of an exporter."""
    for part in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = _values(part.resource.attributes).get("service.name", "")
        for scope in part.scope_spans:
            for span in scope.spans:
                yield Collected(
                    service,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.name,
                    SpanMessage.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
                    _values(span.attributes),
                )


def _values(attributes: Any) -> dict[str, Any]:
    found = {one.key: one.value for one in attributes}
    return {key: getattr(value, value.WhichOneof("value") or "string_value") for key, value in found.items()}
