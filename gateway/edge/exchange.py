"""One request on its way through the edge: what is known of it so far."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from atoll.context import accept_correlation_id
from atoll.ids import uuid7

if TYPE_CHECKING:
    from atoll.identity.principal import Principal
    from gateway.edge.routing import CompiledRoute

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


class Exchange:
    """``status`` is 0 until an answer starts; ``started`` is on ``perf_counter``'s clock."""

    __slots__ = (
        "answer_headers", "authorization", "bytes_in", "bytes_out", "client", "correlation_id",
        "forwarded_for", "headers", "host", "instance", "method", "origin", "path", "principal",
        "query", "receive", "request_id", "retries", "route", "scheme", "scope", "send",
        "started", "status",
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
        self.host = b""
        self.origin: bytes | None = None
        self.authorization: bytes | None = None
        self.forwarded_for: str | None = None
        offered: str | None = None
        for name, value in self.headers:
            if name == b"host":
                self.host = value
            elif name == b"authorization":
                # Two of them is a dispute about who asks: neither is believed.
                self.authorization = value if self.authorization is None else b""
            elif name == b"x-correlation-id":
                offered = value.decode("latin-1")
            elif name == b"origin":
                self.origin = value
            elif name == b"x-forwarded-for":
                text = value.decode("latin-1")
                self.forwarded_for = f"{self.forwarded_for},{text}" if self.forwarded_for else text
        self.correlation_id = accept_correlation_id(offered)
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

    def header(self, wanted: bytes) -> bytes | None:
        return next((value for name, value in self.headers if name == wanted), None)

    async def start(self, status: int, headers: Headers) -> None:
        """Begin the answer, with the fields every answer of the gateway carries."""
        self.status = status
        headers += self.answer_headers
        headers += (
            (b"x-correlation-id", self.correlation_id.encode()),
            (b"x-request-id", self.request_id.encode()),
            (b"x-response-time", b"%.1fms" % self.elapsed_ms()),
        )
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    async def body(self, data: bytes, *, more: bool) -> None:
        self.bytes_out += len(data)
        await self.send({"type": "http.response.body", "body": data, "more_body": more})

    async def reply(
        self, status: int, content_type: bytes, body: bytes, headers: Headers | None = None
    ) -> None:
        """A whole answer made here; a HEAD request gets its fields only."""
        fields = [
            (b"content-type", content_type),
            (b"content-length", str(len(body)).encode()),
            *(headers or []),
        ]
        await self.start(status, fields)
        await self.body(b"" if self.method == "HEAD" else body, more=False)
