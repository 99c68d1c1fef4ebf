"""A small Redis client (RESP2) with one pipelined connection.

One write sends all commands of one iteration of the event loop. A general client takes ten times the
time on the path of each request.
"""

import asyncio
from collections import deque
from typing import Any
from urllib.parse import unquote, urlsplit

CONNECT_TIMEOUT_S = 1.0
MAX_PENDING = 20_000

Reply = Any


class StoreAway(Exception):
    """There is no connection to the store, or it does not answer."""


class CommandError(Exception):
    """The store answered with an error."""


def encode(*parts: bytes) -> bytes:
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


class Parser:
    """Parses bytes into replies: int, bytes, None, CommandError, or a list of these."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[Reply]:
        self._buffer += data
        replies: list[Reply] = []
        position = 0
        while True:
            found = self._read(position)
            if found is None:
                self._buffer = self._buffer[position:]
                return replies
            reply, position = found
            replies.append(reply)

    def _read(self, start: int) -> tuple[Reply, int] | None:
        end = self._buffer.find(b"\r\n", start)
        if end < 0:
            return None
        kind, text, after = self._buffer[start : start + 1], self._buffer[start + 1 : end], end + 2
        match kind:
            case b":":
                return int(text), after
            case b"+":
                return text, after
            case b"-":
                return CommandError(text.decode()), after
            case b"$":
                return self._bulk(int(text), after)
            case b"*":
                return self._array(int(text), after)
        raise StoreAway(f"not a Redis reply: {kind!r}")

    def _bulk(self, length: int, start: int) -> tuple[Reply, int] | None:
        if length < 0:
            return None, start
        end = start + length
        if len(self._buffer) < end + 2:
            return None
        return self._buffer[start:end], end + 2

    def _array(self, count: int, position: int) -> tuple[Reply, int] | None:
        items: list[Reply] = []
        for _ in range(count):
            found = self._read(position)
            if found is None:
                return None
            item, position = found
            items.append(item)
        return items, position


class Store(asyncio.Protocol):
    """One connection. A command without a connection raises StoreAway at once. Read ``connected`` only."""

    def __init__(self, loop: asyncio.AbstractEventLoop, url: str) -> None:
        self._loop = loop
        self._url = urlsplit(url)
        self._transport: asyncio.Transport | None = None
        self._parser = Parser()
        self._pending: deque[asyncio.Future[Reply]] = deque()
        self._outgoing: list[bytes] = []
        self.connected = False

    async def connect(self) -> None:
        """Raises StoreAway."""
        url = self._url
        host, port = url.hostname or "127.0.0.1", url.port or 6379
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                tls = True if url.scheme == "rediss" else None
                await self._loop.create_connection(lambda: self, host, port, ssl=tls)
                if url.password:
                    names = [unquote(url.username).encode()] if url.username else []
                    await self.command(b"AUTH", *names, unquote(url.password).encode())
                if url.path.strip("/"):
                    await self.command(b"SELECT", url.path.strip("/").encode())
        except (OSError, TimeoutError, CommandError) as error:
            self.close()
            raise StoreAway(str(error) or type(error).__name__) from error

    def command(self, *parts: bytes) -> asyncio.Future[Reply]:
        """A future of the reply. Raises StoreAway without a connection; the future may raise CommandError."""
        if self._transport is None or len(self._pending) >= MAX_PENDING:
            raise StoreAway("not connected" if self._transport is None else "too many commands wait")
        future: asyncio.Future[Reply] = self._loop.create_future()
        self._pending.append(future)
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(encode(*parts))
        return future

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        self._lost()

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        if self._transport is not None:
            self._transport.write(b"".join(outgoing))

    def _lost(self) -> None:
        self._transport = None
        self.connected = False
        self._parser = Parser()
        self._outgoing = []
        while self._pending:
            future = self._pending.popleft()
            if not future.done():
                future.set_exception(StoreAway("the connection was lost"))
                future.exception()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self.connected = True

    def data_received(self, data: bytes) -> None:
        try:
            replies = self._parser.feed(data)
        except (StoreAway, ValueError):
            self.close()
            return
        for reply in replies:
            future = self._pending.popleft()
            if future.done():
                continue
            if isinstance(reply, CommandError):
                future.set_exception(reply)
            else:
                future.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost()
