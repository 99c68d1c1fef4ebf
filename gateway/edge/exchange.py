"""The state of one request in the edge, and the writing of its answer."""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING

from uuid_utils import uuid7  # its own type: made and written in a third of the time of uuid.UUID

from atoll.context import accept_correlation_id
from gateway.edge.error_responses import OWN_ANSWER_FIELDS
from gateway.edge.http.body import RequestBody

if TYPE_CHECKING:
    from atoll.identity.principal import Principal
    from gateway.edge.compression import Coder
    from gateway.edge.error_responses import ErrorResponse
    from gateway.edge.http.client import ClientConnection
    from gateway.edge.http.heads import Head, RequestLine
    from gateway.edge.routes.routing import CompiledRoute
    from gateway.edge.tracing import RequestTrace

Headers = list[tuple[bytes, bytes]]

BODILESS = frozenset((204, 304))
CONNECTION = b"connection"


class Exchange:
    """``status`` is 0 until the answer starts. ``started`` is on the clock of ``perf_counter``.

    ``answer_lines`` are field lines of the gateway for the answer; CRLF may join several to one.
    ``coder`` compresses the body. ``error`` is the refusal of a request that could not be read.
    ``must_close`` ends the connection after the answer; set it before the answer starts.
    """

    __slots__ = (
        "_encodes_chunks", "_has_body", "_keeps", "_pending", "answer_lines", "authorization",
        "bytes_in", "bytes_out", "client", "coder", "connection", "correlation_id", "error", "fields",
        "forwarded_for", "head", "headers", "host", "instance", "is_http_1_1", "line", "method",
        "must_close", "origin", "path", "principal", "query", "request_body", "request_id", "retries",
        "route", "scheme", "started", "status", "trace",
    )  # fmt: skip

    def __init__(
        self, connection: ClientConnection, line: RequestLine, head: Head, error: ErrorResponse | None
    ) -> None:
        self.started = time.perf_counter()
        self.connection = connection
        self.head = head
        self.error = error
        self.line = line
        self.method, self.path, self.query, self.is_http_1_1, authority = line
        self.headers: Headers = head.headers
        self.fields = head.fields
        self.host = head.host
        if authority and (head.host or not self.is_http_1_1):
            self.host = authority  # RFC 9112 §3.2.2
        self.origin = head.origin
        self.authorization = head.authorization
        self.forwarded_for = head.forwarded_for
        self.scheme = connection.scheme
        self.client = connection.peer
        offered = head.fields.get(b"x-correlation-id")
        self.correlation_id = accept_correlation_id(offered.decode("latin-1")) if offered else str(uuid7())
        self.request_id = str(uuid7())
        self.request_body = (
            RequestBody(head.length) if head.chunked or (head.length is not None and head.length) else None
        )
        self.principal: Principal | None = None
        self.route: CompiledRoute | None = None
        self.trace: RequestTrace | None = None
        self.answer_lines: list[bytes] = []
        self.must_close = error is not None
        self.status = 0
        self.instance = ""
        self.retries = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.coder: Coder | None = None
        self._pending = b""
        self._has_body = True
        self._encodes_chunks = False
        self._keeps = False

    def start(self, status: int, headers: Headers, *, length: int | None) -> None:
        """Begin the answer. See `start_lines`."""
        lines = []
        for name, value in headers:
            if name == CONNECTION:
                self.must_close = True
            else:
                lines.append(b"%b: %b" % (name, value))
        self.start_lines(status, lines, length=length)

    def start_lines(self, status: int, lines: list[bytes], *, length: int | None) -> None:
        """Begin the answer with the field lines of every answer of the gateway, after ``lines``.

        ``length`` is that of the body, None when it is unknown. The head goes out with the first piece
        of the body.
        """
        self.status = status
        head, body = self.head, self.request_body
        keeps = (
            (head.keeps_alive if self.is_http_1_1 else head.keeps_alive_1_0)
            and not self.must_close
            and not self.connection.door.is_draining
            and (body is None or body.complete)
        )
        has_body = status not in BODILESS and self.method != "HEAD"
        parts = [STATUS_LINES.get(status) or _status_line(status), *lines]
        if length is not None:
            if status != 204:
                parts.append(b"content-length: %d" % length)
        elif has_body:
            if self.is_http_1_1:
                parts.append(b"transfer-encoding: chunked")
                self._encodes_chunks = True
            else:
                keeps = False
        if not keeps:
            parts.append(b"connection: close")
        elif not self.is_http_1_1:
            parts.append(b"connection: keep-alive")
        parts += self.answer_lines
        parts.append(
            b"x-correlation-id: %b\r\nx-request-id: %b\r\nx-response-time: %.1f\r\n\r\n"
            % (
                self.correlation_id.encode(),
                self.request_id.encode(),
                (time.perf_counter() - self.started) * 1000,
            )
        )
        self._has_body = has_body
        self._keeps = keeps
        self._pending = b"\r\n".join(parts)

    def switch(self, lines: list[bytes]) -> None:
        """Answer 101. After it, the connection carries another protocol."""
        self.status = 101
        parts = [STATUS_LINES[101], *lines, *self.answer_lines]
        parts.append(b"x-correlation-id: %b\r\n\r\n" % self.correlation_id.encode())
        self.connection.write(b"\r\n".join(parts))

    def write(self, data: bytes) -> None:
        """Write a piece of the body. It is dropped when the answer has none."""
        pending, self._pending = self._pending, b""
        if not self._has_body:
            data = b""
        elif data and self.coder is not None:
            data = self.coder.piece(data)
        if data:
            self.bytes_out += len(data)
            if self._encodes_chunks:
                data = b"%x\r\n%b\r\n" % (len(data), data)
        if pending or data:
            self.connection.write(pending + data if pending else data)

    def flush(self) -> None:
        """Write the head now."""
        self.write(b"")

    def end(self, data: bytes = b"", trailers: bytes = b"") -> None:
        """Write the last piece of the body and end the answer. ``trailers`` are raw field lines."""
        if self.coder is not None and self._has_body:
            data = (self.coder.piece(data) if data else b"") + self.coder.end()
            self.coder = None
        if self._encodes_chunks and self._has_body:
            pending, self._pending = self._pending, b""
            self.bytes_out += len(data)
            piece = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
            self.connection.write(b"%b%b0\r\n%b\r\n" % (pending, piece, trailers))
        else:
            pending, self._pending = self._pending, b""
            if not self._has_body:
                data = b""
            self.bytes_out += len(data)
            if pending or data:
                self.connection.transport.write(pending + data)
        self.connection.finish(keep=self._keeps)

    async def body(self, data: bytes, *, more: bool) -> None:
        """Write a piece of the body. Waits while the client reads slowly."""
        if more:
            self.write(data)
            await self.connection.wait_writable()
        else:
            self.end(data)

    async def reply(
        self, status: int, content_type: bytes, body: bytes, headers: Headers | None = None
    ) -> None:
        """Send a whole answer of the gateway. A HEAD request gets its fields only."""
        fields = [(b"content-type", content_type), (b"date", now_field()), *OWN_ANSWER_FIELDS]
        fields += headers or ()
        self.start(status, fields, length=len(body))
        self.end(body)

    def abort(self) -> None:
        """Break the connection, so that the answer does not look whole."""
        self.connection.abort()

    async def receive(self, wanted: int = 1) -> bytes:
        """At least ``wanted`` bytes of the body, fewer at its end, ``b""`` after it. Raises ErrorResponse."""
        body = self.request_body
        if body is None:
            return b""
        if not body.received and not body.complete:
            self._ask_for_body()
        body.high_water = max(body.high_water, wanted)
        if not body.complete:  # else reading has paused because of further requests
            self.connection.resume_reading()
        data = await body.read(wanted)
        self.bytes_in = body.received
        return data

    def _ask_for_body(self) -> None:
        """Tell a client that waits for it to send its body (RFC 9110 §10.1.1)."""
        if self.head.expectation == b"100-continue" and self.is_http_1_1:
            self.connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def _status_line(status: int) -> bytes:
    return b"HTTP/1.1 %d " % status


STATUS_LINES = {one.value: f"HTTP/1.1 {one.value} {one.phrase}".encode() for one in HTTPStatus}

_date = (0, b"")


def now_field() -> bytes:
    """The value of Date (RFC 9110 §6.6.1), made once a second."""
    global _date
    second = int(time.time())
    if _date[0] != second:
        _date = (second, formatdate(second, usegmt=True).encode())
    return _date[1]
