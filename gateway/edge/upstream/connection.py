"""One HTTP/1.1 connection to an upstream. It writes requests and parses answers.

One exchange at a time, without pipelining. Reading pauses while the client is slower than the
upstream, and writing waits while the upstream is slower than the client.
"""

import asyncio
from collections.abc import Callable

from gateway.edge.flow import Waiter
from gateway.edge.http.chunks import BadChunk, ChunkDecoder
from gateway.edge.upstream.answer_head import AnswerHead
from gateway.edge.upstream.failures import BadAnswer, Dropped

HIGH_WATER_BYTES = 256 * 1024
MAX_HEAD_BYTES = 64 * 1024
NO_DEADLINE = float("inf")

Headers = list[tuple[bytes, bytes]]
HEAD, SIZED, CHUNKED, UNTIL_CLOSE, SPLICED, COMPLETE = range(6)


class Connection(asyncio.Protocol):
    """``deadline`` is on the loop's clock. The pool's ticker enforces it, so a request needs no timer.

    ``head`` is that of the answer, None before it. ``waits_for_client``: reading had to pause since the
    client does not read, so an answer that breaks off says nothing about the upstream.
    """

    __slots__ = (
        "_chunks",
        "_decoder",
        "_error",
        "_head_only",
        "_held",
        "_last_head",
        "_left",
        "_loop",
        "_paused",
        "_raw_head",
        "_received",
        "_splice",
        "_state",
        "_transport",
        "_unread",
        "_upgrades",
        "_waiter",
        "_writable",
        "answer",
        "busy",
        "deadline",
        "idle_limit_s",
        "idle_since",
        "request_sent",
        "started",
        "uses",
        "waits_for_client",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._waiter: Waiter | None = None
        self._writable: Waiter | None = None
        self._error: BaseException | None = None
        self._splice: Callable[[bytes], None] | None = None
        self.uses = 0
        self.idle_since = 0.0
        self.idle_limit_s = NO_DEADLINE
        self._raw_head = b""
        self._last_head: AnswerHead | None = None
        self.begin(head_only=False, now=0.0, deadline=NO_DEADLINE)
        self.busy = False
        self.uses = 0

    @property
    def usable(self) -> bool:
        return self._error is None and self._transport is not None and not self._transport.is_closing()

    @property
    def reused(self) -> bool:
        return self.uses > 1

    @property
    def complete(self) -> bool:
        return self._state == COMPLETE

    @property
    def status(self) -> int:
        """0 before the head of the answer."""
        return self.answer.status if self.answer is not None else 0

    @property
    def is_between_messages(self) -> bool:
        """Whether a request and its whole answer have passed, and another request may follow."""
        return (
            self._state == COMPLETE
            and self.answer is not None
            and self.answer.keep_alive
            and self.request_sent
            and self.usable
        )

    @property
    def headers(self) -> Headers:
        return self.answer.fields() if self.answer is not None else []

    @property
    def is_stalled(self) -> bool:
        """Whether the upstream reads more slowly than we write."""
        return self._writable is not None

    @property
    def held_bytes(self) -> int:
        return self._held

    @property
    def trailers(self) -> bytes:
        """The raw field lines after a chunked body."""
        return self._decoder.trailers if self._decoder is not None else b""

    def begin(self, *, head_only: bool, now: float, deadline: float, upgrades: bool = False) -> None:
        """Prepare for one exchange. ``head_only`` for HEAD, since its answer has no body."""
        self._state = HEAD
        self._unread = b""
        self._chunks: list[bytes] = []
        self._held = 0
        self._left = 0
        self._decoder: ChunkDecoder | None = None
        self._paused = False
        self._received = False
        self.answer: AnswerHead | None = None
        self.request_sent = False
        self.waits_for_client = False
        self.busy = True
        self.uses += 1
        self._head_only = head_only
        self._upgrades = upgrades
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

    def answered(self) -> Waiter:
        """Await it until ``answer`` is there. Raises UpstreamFailure or ClientGone."""
        if self._error is not None:
            raise self._error
        waiter = self._waiter = Waiter()
        return waiter

    async def read(self) -> bytes:
        """The next piece of the body, ``b""`` at its end."""
        while not self._chunks:
            if self._state == COMPLETE:
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
        self._held = 0
        if self._paused:
            self._paused = False
            if self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()
        return data

    def fail(self, error: BaseException) -> None:
        """Close the connection. The flow that waits on the exchange gets ``error``."""
        if self._error is None:
            self._error = error
        if self._transport is not None:
            self._transport.abort()
        self._wake_all()

    def close(self) -> None:
        if self._error is None:
            self._error = Dropped("the connection was closed here", reused=self.reused)
        if self._transport is not None:
            self._transport.abort()

    def splice(self, receive: Callable[[bytes], None]) -> None:
        """After 101, ``receive`` gets all bytes, and ``b""`` at the end of the connection."""
        self._splice = receive
        data, self._unread = self._unread, b""
        if data:
            receive(data)

    def pause(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        waiter = self._waiter = Waiter()
        try:
            await waiter
        finally:
            self._waiter = None

    def _wake_all(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.wake()
        self.resume_writing()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        state = self._state
        if state == SPLICED:
            if self._splice is not None:
                self._splice(data)
            else:
                self._unread += data
            return
        if not self.busy or state == COMPLETE:
            self.close()  # an answer without a request
            return
        self._received = True
        try:
            if state == HEAD:
                data = self._read_head(data)
            if data:
                if self._state == SIZED and len(data) == self._left:  # the rest of the body, or all of it
                    self._state = COMPLETE
                    self._chunks.append(data)
                    self._held += len(data)
                else:
                    self._read_body(data)
        except BadAnswer as error:
            self.fail(error)
            return
        if self.answer is None:
            return
        if self._held > HIGH_WATER_BYTES and not self._paused and self._transport is not None:
            self._paused = True
            self.waits_for_client = True
            self._transport.pause_reading()
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.wake()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._splice is not None:
            self._splice(b"")
        if self._error is None:
            if self.busy and self._state == UNTIL_CLOSE and exc is None:
                self._state = COMPLETE
                self._error = Dropped("it closed the connection", reused=self.reused)
            elif self._received and self._state != COMPLETE:
                self._error = BadAnswer("it closed the connection in the middle of its answer")
            else:
                self._error = Dropped("it closed the connection", reused=self.reused)
        self._wake_all()

    def pause_writing(self) -> None:
        if self._writable is None:
            self._writable = Waiter()

    def resume_writing(self) -> None:
        writable, self._writable = self._writable, None
        if writable is not None:
            writable.wake()

    def _read_head(self, data: bytes) -> bytes:
        """Read the heads of interim answers and of the answer. Returns the bytes after them."""
        while True:
            if self._unread:
                data = self._unread + data
                self._unread = b""
            end = data.find(b"\r\n\r\n")
            if end > MAX_HEAD_BYTES or (end < 0 and len(data) > MAX_HEAD_BYTES):
                raise BadAnswer("its header fields are too large")
            if end < 0:
                self._unread = data
                return b""
            raw = data[:end]
            data = data[end + 4 :]
            if raw == self._raw_head and self._last_head is not None:
                answer = self._last_head
            else:
                answer = self._last_head = AnswerHead(raw)
                self._raw_head = raw
            if answer.status >= 200 or answer.status == 101:
                self._take_head(answer)
                if answer.status == 101:
                    self._unread = data
                    return b""
                return data
            if not data:
                return b""

    def _take_head(self, answer: AnswerHead) -> None:
        status = answer.status
        if status == 101:
            if not self._upgrades:
                raise BadAnswer("it switched protocols unasked")
            self._state = SPLICED
        elif self._head_only or status in (204, 304):
            self._state = COMPLETE
        elif answer.chunked:
            self._state = CHUNKED
            self._decoder = ChunkDecoder()
        elif answer.length is not None:
            self._left = answer.length
            self._state = SIZED if answer.length else COMPLETE
        else:
            self._state = UNTIL_CLOSE
        if answer.idle_limit_s is not None:
            self.idle_limit_s = answer.idle_limit_s
        self.answer = answer

    def _read_body(self, data: bytes) -> None:
        if self._state == SIZED:
            if len(data) > self._left:
                raise BadAnswer("its answer is longer than its length")
            self._left -= len(data)
            if not self._left:
                self._state = COMPLETE
        elif self._state == CHUNKED and self._decoder is not None:
            try:
                data = self._decoder.feed(data)
            except BadChunk as error:
                raise BadAnswer(f"its answer is malformed: {error}") from None
            if self._decoder.complete:
                if self._decoder.rest:
                    raise BadAnswer("it answered twice")
                self._state = COMPLETE
        elif self._state == COMPLETE:
            raise BadAnswer(
                "it sent a body where its answer has none" if self._head_only else "it answered twice"
            )
        if data:
            self._chunks.append(data)
            self._held += len(data)
