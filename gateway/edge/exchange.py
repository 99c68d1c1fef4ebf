"""The state of one request in the edge."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from uuid_utils import uuid7  # its own type: made and written in a third of the time of uuid.UUID

from atoll.asgi import Message, Receive, Send
from atoll.context import accept_correlation_id

if TYPE_CHECKING:
    from atoll.identity.principal import Principal
    from gateway.edge.routes.routing import CompiledRoute

Headers = list[tuple[bytes, bytes]]


class Exchange:
    """``status`` is 0 until the answer starts. ``started`` is on the clock of ``perf_counter``."""

    __slots__ = (
        "answer_headers", "authorization", "bytes_in", "bytes_out", "client", "correlation_id",
        "fields", "forwarded_for", "headers", "host", "instance", "method", "origin", "path",
        "principal", "query", "receive", "request_id", "retries", "route", "scheme", "scope",
        "send", "started", "status",
    )  # fmt: skip

    def __init__(self, scope: Message, receive: Receive, send: Send) -> None:
        self.started = time.perf_counter()
        self.scope = scope
        self.receive = receive
        self.send = send
        self.method: str = scope["method"]
        self.path: bytes = scope["raw_path"]
        self.query: bytes = scope["query_string"]
        self.headers: Headers = scope["headers"]
        self.scheme: str = scope.get("scheme", "http")
        self.client: str = (scope.get("client") or ("",))[0]
        self.fields = fields = dict(self.headers)
        self.host: bytes = fields.get(b"host", b"")
        self.origin = fields.get(b"origin")
        self.authorization = fields.get(b"authorization")
        self.forwarded_for = fields.get(b"x-forwarded-for")
        if len(fields) != len(self.headers):
            self._read_repeated()
        offered = fields.get(b"x-correlation-id")
        self.correlation_id = accept_correlation_id(offered.decode("latin-1")) if offered else str(uuid7())
        self.request_id = str(uuid7())
        self.principal: Principal | None = None
        self.route: CompiledRoute | None = None
        self.answer_headers: Headers = []
        self.status = 0
        self.instance = ""
        self.retries = 0
        self.bytes_in = 0
        self.bytes_out = 0

    def elapsed_ms(self) -> float:
        return (time.perf_counter() - self.started) * 1000

    def _read_repeated(self) -> None:
        """Two Authorization fields count as an invalid one, and two Host fields as none."""
        if sum(name == b"host" for name, _ in self.headers) > 1:
            self.host = b""
        if sum(name == b"authorization" for name, _ in self.headers) > 1:
            self.authorization = b""
        hops = [value for name, value in self.headers if name == b"x-forwarded-for"]
        if hops:
            self.forwarded_for = b",".join(hops)

    async def start(self, status: int, headers: Headers) -> None:
        """Begin the answer, with the fields of every answer of the gateway."""
        self.status = status
        headers += self.answer_headers
        headers += (
            (b"x-correlation-id", self.correlation_id.encode()),
            (b"x-request-id", self.request_id.encode()),
            (b"x-response-time", b"%.1f" % self.elapsed_ms()),
        )
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    async def body(self, data: bytes, *, more: bool) -> None:
        self.bytes_out += len(data)
        await self.send({"type": "http.response.body", "body": data, "more_body": more})

    async def reply(
        self, status: int, content_type: bytes, body: bytes, headers: Headers | None = None
    ) -> None:
        """Send a whole answer of the gateway. A HEAD request gets its fields only."""
        fields = [
            (b"content-type", content_type),
            (b"content-length", str(len(body)).encode()),
            *(headers or []),
        ]
        await self.start(status, fields)
        await self.body(b"" if self.method == "HEAD" else body, more=False)
