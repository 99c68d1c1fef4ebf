"""Decodes chunked bodies (RFC 9112 §7.1), strictly, since a lenient reader lets requests be smuggled.

Refused are signs, underscores and ``0x`` in a size, a bare LF or CR, control characters in an extension,
and sizes and trailers without bound.
"""

import re

from gateway.edge.http.fields import FIELD_LINES

SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?")
MAX_SIZE_LINE_BYTES = 1024
MAX_EXTENSION_BYTES = 16 * 1024
"""Of all chunks of one body. Bodies of one byte each with long extensions would cost more than they carry."""
MAX_TRAILER_BYTES = 16 * 1024

SIZE, DATA, END_OF_DATA, TRAILERS, DONE = range(5)


class BadChunk(ValueError):
    """The body is not in chunked coding."""


class ChunkDecoder:
    """``trailers`` are the raw field lines after the last chunk; ``rest`` the bytes after the body."""

    __slots__ = ("_buffer", "_extension_bytes", "_left", "_state", "rest", "trailers")

    def __init__(self) -> None:
        self._buffer = b""
        self._left = 0
        self._state = SIZE
        self._extension_bytes = 0
        self.trailers = b""
        self.rest = b""

    @property
    def complete(self) -> bool:
        return self._state == DONE

    def feed(self, data: bytes) -> bytes:
        """The decoded bytes of ``data``. Raises BadChunk."""
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        pieces: list[bytes] = []
        at, end = 0, len(data)
        while self._state != DONE:
            if self._state == DATA:
                piece = data[at : at + self._left]
                at += len(piece)
                self._left -= len(piece)
                pieces.append(piece)
                if self._left:
                    break
                self._state = END_OF_DATA
            moved = self._step(data, at, end)
            if moved < 0:
                self._buffer = data[at:]
                break
            at = moved
        if self._state == DONE:
            self.rest = data[at:]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _step(self, data: bytes, at: int, end: int) -> int:
        """The position after the next part of the framing; -1 while it is incomplete."""
        if self._state == END_OF_DATA:
            if end - at < 2:
                if data[at:end] not in (b"", b"\r"):
                    raise BadChunk("a chunk is longer than its size")
                return -1
            if data[at : at + 2] != b"\r\n":
                raise BadChunk("a chunk is not as long as its size")
            self._state = SIZE
            return at + 2
        if self._state == SIZE:
            return self._size(data, at, end)
        return self._trailers(data, at, end)

    def _size(self, data: bytes, at: int, end: int) -> int:
        line_end = data.find(b"\n", at, min(end, at + MAX_SIZE_LINE_BYTES))
        if line_end < 0:
            if end - at >= MAX_SIZE_LINE_BYTES:
                raise BadChunk("the line of a chunk's size is too long")
            return -1
        match = (
            SIZE_LINE.fullmatch(data, at, line_end - 1) if data[line_end - 1 : line_end] == b"\r" else None
        )
        if match is None:
            raise BadChunk("a chunk's size is not a hexadecimal number and CRLF")
        self._extension_bytes += match.end() - match.end(1)
        if self._extension_bytes > MAX_EXTENSION_BYTES:
            raise BadChunk("the extensions of the chunks are too long")
        self._left = int(match[1], 16)
        self._state = DATA if self._left else TRAILERS
        return line_end + 1

    def _trailers(self, data: bytes, at: int, end: int) -> int:
        if data[at : at + 2] == b"\r\n":
            self._state = DONE
            return at + 2
        found = data.find(b"\r\n\r\n", at, end)
        if (end if found < 0 else found) - at > MAX_TRAILER_BYTES:
            raise BadChunk("the trailers are too long")
        if found < 0:
            return -1
        lines = data[at : found + 2]
        if FIELD_LINES.fullmatch(lines) is None:
            raise BadChunk("the trailers are malformed")
        self.trailers = lines
        self._state = DONE
        return found + 4
