"""One HTTP/1.1 connection to an upstream. It writes requests and parses answers.

One exchange at a time, without pipelining. Reading pauses while the client is slower than the
upstream, and writing waits while the upstream is slower than the client.
"""

import asyncio

import httptools

from gateway.edge.upstream.failures import BadAnswer, Dropped

HIGH_WATER_BYTES = 256 * 1024
MAX_HEAD_BYTES = 64 * 1024
MAX_HEADER_FIELDS = 200
NO_DEADLINE = float("inf")

Headers = list[tuple[bytes, bytes]]


class Connection(asyncio.Protocol):
    """``deadline`` is on the loop's clock. The pool's ticker enforces it, so a request needs no timer."""

    __slots__ = (
        "_buffered", "_chunks", "_error", "_framed", "_head_bytes", "_head_only", "_interim", "_loop",
        "_parser", "_paused", "_received", "_transport", "_waiter", "_writable", "busy", "complete",
        "deadline", "headers", "idle_limit_s", "idle_since", "keep_alive", "request_sent", "started",
        "status", "uses",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._error: BaseException | None = None
        self.busy = False
        self.uses = 0
        self.idle_since = 0.0
        self.idle_limit_s = NO_DEADLINE
        self._reset()

    def _reset(self) -> None:
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._paused = False
        self._interim = False
        self._framed = False
        self._head_only = False
        self._head_bytes = 0
        self._received = False
        self.headers: Headers = []
        self.status = 0
        self.complete = False
        self.keep_alive = False
        self.request_sent = False
        self.deadline = NO_DEADLINE
        self.started = 0.0

    @property
    def usable(self) -> bool:
        return self._error is None and self._transport is not None and not self._transport.is_closing()

    @property
    def reused(self) -> bool:
        return self.uses > 1

    def begin(self, *, head_only: bool, now: float, deadline: float) -> None:
        """Prepare for one exchange. ``head_only`` for HEAD, since its answer has no body."""
        self._reset()
        self.busy = True
        self.uses += 1
        self._head_only = head_only
        self.started = now
        self.deadline = deadline

    def write(self, data: bytes) -> None:
        """Raises Dropped when the connection is gone."""
        if self._error is not None or self._transport is None:
            raise self._error or Dropped("the connection is closed", reused=self.reused)
        self._transport.write(data)

    async def wait_writable(self) -> None:
        """Wait until the upstream has read enough of the bytes that were written."""
        if self._writable is not None:
            await self._writable
        if self._error is not None:
            raise self._error

    async def head(self) -> int:
        """The status, after all header fields have arrived. Raises UpstreamFailure or ClientGone."""
        while not self.status or self._interim:
            await self._wait()
        return self.status

    async def read(self) -> bytes:
        """The next piece of the body, ``b""`` at its end."""
        while not self._chunks:
            if self.complete:
                return b""
            await self._wait()
        return self.take()

    def take(self) -> bytes:
        """The part of the body that has arrived, without waiting."""
        chunks = self._chunks
        if not chunks:
            return b""
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._chunks = []
        self._buffered = 0
        if self._paused:
            self._paused = False
            if self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()
        return data

    def fail(self, error: BaseException) -> None:
        """Close the connection. The task that waits on the exchange gets ``error``."""
        if self._error is None:
            self._error = error
        self._wake()
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        if self._error is None:
            self._error = Dropped("the connection was closed here", reused=self.reused)
        if self._transport is not None:
            self._transport.abort()

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        waiter = self._waiter = self._loop.create_future()
        try:
            await waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if not self.busy or (self.complete and not self._interim):
            self.close()  # an answer without a request
            return
        self._received = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.fail(BadAnswer(f"its answer is not HTTP/1.1: {error}"))
            return
        if self._buffered > HIGH_WATER_BYTES and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._error is None:
            if self.busy and self.status and not self._interim and not self._framed and exc is None:
                self.complete = True  # the end of the connection ends this body
                self.keep_alive = False
            if self._received and not self.complete:
                self._error = BadAnswer("it closed the connection in the middle of its answer")
            else:
                self._error = Dropped("it closed the connection", reused=self.reused)
        self._wake()
        self.resume_writing()

    def pause_writing(self) -> None:
        if self._writable is None:
            self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    # httptools callbacks

    def on_message_begin(self) -> None:
        if self.complete:
            raise BadAnswer("it answered twice")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES or len(self.headers) >= MAX_HEADER_FIELDS:
            raise BadAnswer("its header fields are too large")
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status == 101:
            raise BadAnswer("it switched protocols unasked")
        self.status = status
        if status < 200:
            self._interim = True
            return
        for name, value in self.headers:
            if name in (b"content-length", b"transfer-encoding"):
                self._framed = True
            elif name == b"keep-alive":
                self._read_keep_alive(value)
        if self._head_only:
            self.keep_alive = self._parser.should_keep_alive()
            self.complete = True
            # This parser expects the body of a GET now, so the next answer needs a new parser.
            self._parser = httptools.HttpResponseParser(self)

    def on_body(self, body: bytes) -> None:
        if self._head_only:
            raise BadAnswer("it sent a body in answer to HEAD")
        self._chunks.append(body)
        self._buffered += len(body)

    def on_message_complete(self) -> None:
        if self._interim:
            self._interim = False
            self.status = 0
            self.headers = []
            return
        self.complete = True
        self.keep_alive = self._parser.should_keep_alive()

    def _read_keep_alive(self, value: bytes) -> None:
        """``Keep-Alive: timeout=5``: the gateway drops the connection a second before the upstream does."""
        for part in value.split(b","):
            name, _, seconds = part.strip().partition(b"=")
            if name.lower() == b"timeout" and seconds.isdigit():
                self.idle_limit_s = max(0.0, int(seconds) - 1.0)
