"""One connection of a client: reads requests, one at a time, and writes their answers."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, NamedTuple, cast

from gateway.edge.error_responses import ErrorResponse
from gateway.edge.exchange import Exchange
from gateway.edge.flow import Flow, Waiter
from gateway.edge.http import heads
from gateway.edge.http.body import RequestBody
from gateway.edge.upstream.failures import ClientGone

if TYPE_CHECKING:
    from atoll.identity.principal import Principal
    from gateway.edge.http.door import Door
    from gateway.edge.routes.routing import CompiledRoute, Table

PIPELINE_BYTES = 64 * 1024
"""Of further requests that a client may send before its answer; then reading pauses."""
REMEMBERED_BYTES = 4096
"""Of a head that is kept as it came, since the next request of the connection often has the same."""
LINGER_BYTES = 1024 * 1024
"""Of a refused request's body that are read and dropped, so that the answer is not lost by a reset."""
BYTES_ACKED, BYTES_ACKED_AT, TCP_INFO_BYTES = struct.Struct("=Q"), 120, 128
"""``tcpi_bytes_acked`` in Linux's ``struct tcp_info`` (include/uapi/linux/tcp.h)."""

Serve = Callable[[Exchange], Coroutine[Waiter, None, None]]
Splice = Callable[[bytes], None]

WAITING, SERVING, LINGERING, SPLICED, CLOSED = range(5)


class KnownRoute(NamedTuple):
    """What led to the route of a connection's last request. ``head`` is None where fields do not matter."""

    line: heads.RequestLine
    host: bytes
    head: heads.Head | None
    table: Table
    route: CompiledRoute


class ClientConnection(asyncio.Protocol):
    """``since`` is the time of its start, on the loop's clock; the door's ticker enforces the time-outs.

    ``known_route`` and ``known_identity`` spare the next request of the client the same work.
    """

    __slots__ = (
        "_block", "_body", "_flow", "_head", "_is_pausing", "_line", "_lingered", "_raw", "_raw_line",
        "_reads_next", "_searched", "_serve", "_splice", "_unread", "_writable", "address", "answers", "door",
        "exchange", "known_identity", "known_route", "loop", "peer", "scheme", "since", "stalled", "state",
        "transport",
    )  # fmt: skip

    def __init__(self, door: Door, serve: Serve, loop: asyncio.AbstractEventLoop) -> None:
        self.door = door
        self.loop = loop
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # set before any other use
        self.peer = ""
        self.address = ""
        self.scheme = "http"
        self.state = WAITING
        self.since = 0.0
        self.answers = 0
        self.exchange: Exchange | None = None
        self.known_route: KnownRoute | None = None
        self.known_identity: tuple[Principal, bytes] | None = None
        self.stalled: tuple[float, int] | None = None
        self._serve = serve
        self._flow: Flow | None = None
        self._unread = b""
        self._searched = 0
        self._raw = b""
        self._raw_line = b""
        self._line: heads.RequestLine | None = None
        self._block = b""
        self._head: heads.Head | None = None
        self._body: RequestBody | None = None
        self._is_pausing = False
        self._reads_next = False
        self._writable: Waiter | None = None
        self._splice: Splice | None = None
        self._lingered = 0

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.peer = peer[0] if peer else ""
        if transport.get_extra_info("ssl_object") is not None:
            self.scheme = "https"
        self.since = self.loop.time()
        if not self.door.admit(self):
            self.state = CLOSED  # the door has closed it

    def data_received(self, data: bytes) -> None:
        state = self.state
        if state == WAITING:
            self._unread = self._unread + data if self._unread else data
            self._read_requests()
        elif state == SERVING:
            body = self._body
            if body is not None and not body.complete:
                self._feed(body, data)
            else:
                self._keep_unread(data)
        elif state == SPLICED:
            if self._splice is not None:
                self._splice(data)
        elif state == LINGERING:
            self._lingered += len(data)
            if self._lingered > LINGER_BYTES:
                self.abort()

    def eof_received(self) -> bool:
        """A client that ends its side has gone, as nginx and HAProxy see it."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        was, self.state = self.state, CLOSED
        self.door.leave(self)
        self._wake_writer()
        if was in (SERVING, SPLICED) and self._flow is not None:
            self._flow.throw(ClientGone())

    def pause_writing(self) -> None:
        if self._writable is None:
            self._writable = Waiter()
            self.stalled = (self.loop.time(), self.taken_bytes)
            self.door.stalled.add(self)

    def resume_writing(self) -> None:
        self._wake_writer()
        if self.state == WAITING and self.is_open:
            self._read_requests()

    def _wake_writer(self) -> None:
        writable, self._writable = self._writable, None
        self.stalled = None
        self.door.stalled.discard(self)
        if writable is not None:
            writable.wake()

    # Requests

    def _read_requests(self) -> None:
        """Serve the complete requests of the buffer, one after the other, and read on when none is left.

        None begins, and nothing is read, while the client does not read its answers: they would pile up.
        """
        if self._reads_next:
            return
        self._reads_next = True
        try:
            while self.state == WAITING and self._unread and self._writable is None:
                if not self._read_request():
                    break
        finally:
            self._reads_next = False
        if self.state == WAITING:
            if self._writable is None:
                self.resume_reading()
            else:
                self._pause()

    def _read_request(self) -> bool:
        """Start the next request. False while its head is incomplete."""
        data = self._unread
        if data[0] == 13:
            data = self._unread = _without_empty_lines(data)
            if not data:
                return False
        end = data.find(b"\r\n\r\n", self._searched)
        if end < 0:
            if self not in self.door.reading:
                self.door.reading[self] = self.loop.time()
            self._searched = max(0, len(data) - 3)
            self._refuse_endless_head(data)
            return False
        self._searched = 0
        if self.door.reading:
            self.door.reading.pop(self, None)
        self._unread = data[end + 4 :]
        raw = data[:end]
        if raw == self._raw and self._line is not None and self._head is not None:
            self._begin(Exchange(self, self._line, self._head, None))
            return True
        line_end = data.find(b"\r\n", 0, end + 2)
        raw_line = data[:line_end]
        try:
            if line_end > heads.MAX_LINE_BYTES:
                raise heads.line_too_long()
            if end > heads.MAX_HEAD_BYTES:
                raise heads.too_large(f"The head of a request may hold {heads.MAX_HEAD_BYTES} bytes.")
            if raw_line == self._raw_line and self._line is not None:
                line = self._line
            else:
                line = self._line = heads.read_line(raw_line)
                self._raw_line = raw_line
            block = data[line_end + 2 : end + 2]
            if block == self._block and self._head is not None:
                head = self._head
            else:
                head = self._head = heads.read_block(block)
                self._block = block
            if head.chunked and not line.is_http_1_1:
                raise heads.malformed("framing", "HTTP/1.0 has no Transfer-Encoding.")
        except ErrorResponse as error:
            self._raw = b""
            self._begin(Exchange(self, heads.UNREADABLE, heads.NO_FIELDS, error))
            return True
        self._raw = raw if end <= REMEMBERED_BYTES else b""
        self._begin(Exchange(self, line, head, None))
        return True

    def _refuse_endless_head(self, data: bytes) -> None:
        """Refuse a head that is too long, or that cannot become one any more."""
        error: ErrorResponse | None = None
        line_end = data.find(b"\n", 0, heads.MAX_LINE_BYTES)
        if line_end < 0:
            if len(data) > heads.MAX_LINE_BYTES:
                error = heads.line_too_long()
        elif data[line_end - 1 : line_end] != b"\r":
            error = heads.malformed("request_line", "A line ends with LF alone, not with CRLF.")
        elif len(data) > heads.MAX_HEAD_BYTES:
            error = heads.too_large(f"The head of a request may hold {heads.MAX_HEAD_BYTES} bytes.")
        elif b"\n\n" in data or b"\n\r\n" in data[line_end + 1 :]:
            error = heads.malformed("header_fields", "A line ends with LF alone, not with CRLF.")
        if error is not None:
            self._unread = b""
            self.door.reading.pop(self, None)
            self._begin(Exchange(self, heads.UNREADABLE, heads.NO_FIELDS, error))

    def _begin(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.state = SERVING
        door = self.door
        (door.idle if self.answers else door.fresh).pop(self, None)
        body = self._body = exchange.request_body
        if body is not None:
            door.receiving[self] = (self.loop.time(), 0)
        if body is not None and self._unread:
            data, self._unread = self._unread, b""
            self._feed(body, data)
        flow = self._flow = Flow(self._serve(exchange))
        flow.start()

    def refuse_slow_head(self) -> None:
        """Answer 408 to a client whose head did not come in time."""
        self.door.reading.pop(self, None)
        if self.state == WAITING:
            self._unread = b""
            self._begin(Exchange(self, heads.UNREADABLE, heads.NO_FIELDS, heads.too_slow()))

    def _feed(self, body: RequestBody, data: bytes) -> None:
        rest = body.feed(data)
        if rest:
            self._keep_unread(rest)
            if self.state == WAITING:
                self._read_requests()
        if body.is_full:
            self._pause()

    def _keep_unread(self, data: bytes) -> None:
        self._unread = self._unread + data if self._unread else data
        if len(self._unread) > PIPELINE_BYTES:
            self._pause()

    def _pause(self) -> None:
        if not self._is_pausing and not self.transport.is_closing():
            self._is_pausing = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self._is_pausing and not self.transport.is_closing():
            self._is_pausing = False
            self.transport.resume_reading()

    # Answers

    @property
    def is_open(self) -> bool:
        return self.state != CLOSED and not self.transport.is_closing()

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    async def wait_writable(self) -> None:
        """Wait until the client has read enough of the bytes that were written."""
        if self._writable is not None:
            await self._writable

    @property
    def is_stalled(self) -> bool:
        return self._writable is not None

    @property
    def taken_bytes(self) -> int:
        """Grows by the bytes that the client takes.

        The kernel counts them. Our own buffer shrinks only when half of the kernel's 128 KiB is gone.
        """
        try:
            info = self.transport.get_extra_info("socket").getsockopt(
                socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES
            )
            return int(BYTES_ACKED.unpack_from(info, BYTES_ACKED_AT)[0])
        except (AttributeError, OSError, struct.error):  # not on Linux, or closed
            return -self.transport.get_write_buffer_size()

    def finish(self, *, keep: bool) -> None:
        """The answer is complete. Without ``keep`` the connection closes after it."""
        body, self._body = self._body, None
        self.exchange = None
        self._flow = None
        if self.state != SERVING:
            return
        self.answers += 1
        door = self.door
        if body is not None:
            door.receiving.pop(self, None)
        if not keep:
            self.close(linger=(body is not None and not body.complete) or bool(self._unread))
            return
        self.state = WAITING
        door.idle[self] = self.loop.time()
        if self._unread or self._is_pausing or self._writable is not None:
            self._read_requests()

    def close(self, *, linger: bool = False) -> None:
        """Close after all bytes are written. ``linger`` reads on for a moment: a close with unread bytes
        sends a reset, which may overtake the answer (RFC 9112 §9.6)."""
        if self.transport.is_closing():
            return
        if linger and self.transport.can_write_eof():
            self.state = LINGERING
            self.door.lingering[self] = (self.loop.time(), self.taken_bytes)
            self._unread = b""
            self.transport.write_eof()
            self.resume_reading()
            return
        self.door.closing[self] = (self.loop.time(), self.taken_bytes)
        self.transport.close()

    def abort(self) -> None:
        self.transport.abort()

    def splice(self, receive: Splice) -> None:
        """From now on ``receive`` gets all bytes of the client, the unread ones first."""
        self.state = SPLICED
        self._splice = receive
        data, self._unread = self._unread, b""
        self.resume_reading()  # it pauses behind a handshake with many bytes
        if data:
            receive(data)

    def pause(self) -> None:
        self._pause()

    def interrupt(self, error: BaseException) -> None:
        """Raise ``error`` in the request that is being served."""
        if self._flow is not None:
            self._flow.throw(error)


def _without_empty_lines(data: bytes) -> bytes:
    """Drop up to two empty lines before a request (RFC 9112 §2.2)."""
    for _ in range(2):
        if data[:2] == b"\r\n":
            data = data[2:]
    return data
