"""A service that takes only requests that no program could read in two ways, and records them."""

import asyncio
import re

from gateway.tests.upstream import PIECE, Seen, Upstream

REQUEST_LINE = re.compile(rb"([A-Z]+) (/[\x21-\x7e]*) HTTP/1\.1")
FIELD = re.compile(rb"([A-Za-z0-9-]+): ([\x20-\x7e\x80-\xff\t]*)")
CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})\r\n")
ONCE = ("host", "content-length", "transfer-encoding", "x-user-id", "x-correlation-id", "x-forwarded-for")


class Malformed(ConnectionError):
    """The gateway sent what it must never send."""


class Recorder(Upstream):
    """``malformed`` has what came and was no request; ``broken_off`` the targets of unfinished bodies."""

    def __init__(self) -> None:
        self.malformed: list[bytes] = []
        self.broken_off: list[str] = []
        super().__init__()

    def read_head(self, head: bytes) -> Seen:
        """Raises Malformed."""
        return read_strictly(head)

    async def _read(self, reader: asyncio.StreamReader) -> Seen:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as end:
            if end.partial:
                self.malformed.append(end.partial)
            raise
        try:
            seen = self.read_head(head)
        except Malformed:
            self.malformed.append(head)
            raise
        if not seen.target.startswith("/early"):
            await self._read_body(seen, reader)
        return seen

    async def _read_body(self, seen: Seen, reader: asyncio.StreamReader) -> None:
        try:
            if length := seen.header("content-length"):
                await self._read_length(seen, reader, int(length))
            elif seen.header("transfer-encoding"):
                await self._read_chunks(seen, reader)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.broken_off.append(seen.target)
            raise

    async def _read_length(self, seen: Seen, reader: asyncio.StreamReader, left: int) -> None:
        while left:
            piece = await reader.readexactly(min(left, PIECE))
            left -= len(piece)
            self._take(seen, piece)

    async def _read_chunks(self, seen: Seen, reader: asyncio.StreamReader) -> None:
        while True:
            line = await reader.readuntil(b"\n")
            match = CHUNK_SIZE.fullmatch(line)
            if match is None:
                self.malformed.append(line)
                raise Malformed(repr(line))
            if not (size := int(match[1], 16)):
                break
            self._take(seen, await reader.readexactly(size))
            if await reader.readexactly(2) != b"\r\n":
                raise Malformed("a chunk without its end")
        await self._read_trailers(reader)

    async def _read_trailers(self, reader: asyncio.StreamReader) -> None:
        while (line := await reader.readuntil(b"\n")) != b"\r\n":
            if not line.endswith(b"\r\n") or not FIELD.fullmatch(line[:-2]):
                self.malformed.append(line)
                raise Malformed(repr(line))


def read_strictly(head: bytes) -> Seen:
    """Raises Malformed for everything that RFC 9112 does not let a client send."""
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    line = REQUEST_LINE.fullmatch(first)
    fields = [FIELD.fullmatch(one) for one in lines]
    if line is None or not all(fields):
        raise Malformed(repr(head))
    found = [(one[1].decode(), one[2].decode("latin-1")) for one in fields if one]
    names = [name.lower() for name, _ in found]
    if any(names.count(name) > 1 for name in ONCE) or "host" not in names:
        raise Malformed(repr(head))
    if {"content-length", "transfer-encoding"} <= set(names):
        raise Malformed(repr(head))
    return Seen(line[1].decode(), line[2].decode(), found)
