"""The body of a request as it arrives."""

from __future__ import annotations

from gateway.edge.error_responses import ErrorResponse
from gateway.edge.flow import Waiter
from gateway.edge.http import heads
from gateway.edge.http.chunks import BadChunk, ChunkDecoder

HIGH_WATER_BYTES = 256 * 1024


class RequestBody:
    """``length`` is None for a chunked body. ``error`` ends the body: the next read raises it."""

    __slots__ = (
        "_chunks",
        "_held",
        "_left",
        "_pieces",
        "_waiter",
        "_wanted",
        "complete",
        "error",
        "high_water",
        "length",
        "received",
    )  # fmt: skip

    def __init__(self, length: int | None) -> None:
        self.length = length
        self.received = 0
        self.complete = length == 0
        self.error: ErrorResponse | None = None
        self.high_water = HIGH_WATER_BYTES
        self._left = length or 0
        self._chunks = ChunkDecoder() if length is None else None
        self._pieces: list[bytes] = []
        self._held = 0
        self._wanted = 1
        self._waiter: Waiter | None = None

    @property
    def is_full(self) -> bool:
        return self._held > self.high_water

    @property
    def is_held(self) -> bool:
        """Whether bytes have arrived that nobody has read."""
        return self._held > 0

    @property
    def is_awaited(self) -> bool:
        return self._waiter is not None

    def feed(self, data: bytes) -> bytes:
        """Take what belongs to the body. Returns the bytes after it."""
        if self.error is not None:
            return b""
        rest = b""
        if self._chunks is None:
            piece = data if len(data) <= self._left else data[: self._left]
            rest = data[len(piece) :]
            self._left -= len(piece)
            self.complete = not self._left
        else:
            try:
                piece = self._chunks.feed(data)
            except BadChunk as error:
                self.fail(heads.malformed("body_broken_off", f"The body is malformed: {error}."))
                return b""
            if self._chunks.complete:
                self.complete = True
                rest = self._chunks.rest
        if piece:
            self._pieces.append(piece)
            self._held += len(piece)
            self.received += len(piece)
        if self._waiter is not None and (self.complete or self._held >= self._wanted):
            waiter, self._waiter = self._waiter, None
            waiter.wake()
        return rest

    def fail(self, error: ErrorResponse) -> None:
        if self.error is None and not self.complete:
            self.error = error
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.wake()

    async def read(self, wanted: int = 1) -> bytes:
        """At least ``wanted`` bytes, fewer at the end of the body, ``b""`` after it. Raises ErrorResponse."""
        while self._held < wanted and not self.complete:
            if self.error is not None:
                raise self.error
            self._wanted = wanted
            self._waiter = Waiter()
            await self._waiter
        if self.error is not None:
            raise self.error
        pieces = self._pieces
        self._pieces = []
        self._held = 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
