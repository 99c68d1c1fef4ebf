"""Keeps connections to each instance open, and enforces all deadlines with one ticker.

The pool drops an idle connection before a service on Granian closes it (30 s), so a request seldom meets
a closing connection; the dispatcher repeats those. The pool takes the last used connection first, so
that a quiet pool shrinks.
"""

import asyncio
import os
import ssl
from collections import deque
from functools import cache

import certifi

from atoll.client.failures import NotSent, TimedOut
from gateway.edge.upstream.connection import Connection

CONNECT_TIMEOUT_S = 1.0
IDLE_S = 15.0
MAX_IDLE = 128
TICK_S = 0.1


class Origin:
    """One address and the connections to it. ``name`` is the host name that a certificate must have."""

    __slots__ = ("authority", "host", "idle", "name", "port", "tls")

    def __init__(self, host: str, port: int, *, scheme: str = "http", name: str | None = None) -> None:
        self.host = host
        self.port = port
        self.tls = client_tls() if scheme == "https" else None
        self.name = named = name or host
        self.authority = (f"[{named}]:{port}" if ":" in named else f"{named}:{port}").encode()
        self.idle: deque[Connection] = deque()


@cache
def client_tls() -> ssl.SSLContext:
    """One for all origins, since reading the authorities takes some 20 ms. SSL_CERT_FILE replaces those."""
    return ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE") or certifi.where())


class Pool:
    def __init__(self, loop: asyncio.AbstractEventLoop, *, idle_s: float = IDLE_S) -> None:
        self._loop = loop
        self._idle_s = idle_s
        self._origins: dict[tuple[str, int, str, str], Origin] = {}
        self._busy: set[Connection] = set()
        self._ticker: asyncio.TimerHandle | None = None
        self._closed = False

    def origin(self, host: str, port: int, *, scheme: str = "http", name: str | None = None) -> Origin:
        key = (host, port, scheme, name or host)
        found = self._origins.get(key)
        if found is None:
            found = self._origins[key] = Origin(host, port, scheme=scheme, name=name)
        return found

    def idle(self, origin: Origin, now: float) -> Connection | None:
        """An idle connection, or None. Does not wait."""
        while origin.idle:
            connection = origin.idle.pop()
            idle_s = now - connection.idle_since
            if idle_s < self._idle_s and idle_s < connection.idle_limit_s and connection.usable:
                return connection
            connection.close()
        return None

    async def connect(self, origin: Origin, deadline: float) -> Connection:
        """A new connection. Raises NotSent."""
        allowed_s = min(CONNECT_TIMEOUT_S, deadline - self._loop.time())
        try:
            async with asyncio.timeout(allowed_s):
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self._loop),
                    origin.host,
                    origin.port,
                    ssl=origin.tls,
                    server_hostname=origin.name if origin.tls else None,
                )
        except (OSError, TimeoutError) as error:
            raise NotSent(f"no connection to {origin.authority.decode()} ({type(error).__name__})") from error
        return connection

    def watch(self, connection: Connection) -> None:
        """Enforce the connection's deadline."""
        self._busy.add(connection)
        if self._ticker is None and not self._closed:
            self._ticker = self._loop.call_later(TICK_S, self._tick)

    def forget(self, connection: Connection) -> None:
        """Watch a connection no more that its user closes."""
        self._busy.discard(connection)

    def release(self, origin: Origin, connection: Connection) -> None:
        """Take the connection back. It stays open only when both sides are between two messages."""
        self._busy.discard(connection)
        connection.busy = False
        if connection.is_between_messages and len(origin.idle) < MAX_IDLE and not self._closed:
            connection.idle_since = self._loop.time()
            origin.idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        self._closed = True
        if self._ticker is not None:
            self._ticker.cancel()
        for origin in self._origins.values():
            while origin.idle:
                origin.idle.pop().close()

    def _tick(self) -> None:
        now = self._loop.time()
        for connection in list(self._busy):
            if now >= connection.deadline:
                connection.fail(TimedOut("nothing moved for as long as the route allows"))
        for origin in self._origins.values():
            while origin.idle and now - origin.idle[0].idle_since >= self._idle_s:
                origin.idle.popleft().close()
        self._ticker = self._loop.call_later(TICK_S, self._tick)
