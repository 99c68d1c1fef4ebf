"""Listens for clients, and stops without losing a request."""

import asyncio
import socket
from collections.abc import Iterable

from gateway.edge.http.client import ClientConnection, Serve
from gateway.edge.http.door import Door
from gateway.edge.http.handshake import SecureListener
from gateway.edge.http.tls import TLS

BACKLOG = 4096
UNSENT_BYTES = 128 * 1024
QUIET_S = 0.05
FRESH_PATIENCE = 5


class Server:
    """Serves the connections of ``sockets``, which listen already. ``tls`` for HTTPS."""

    def __init__(self, door: Door, serve: Serve, loop: asyncio.AbstractEventLoop) -> None:
        self._door = door
        self._serve = serve
        self._loop = loop
        self._servers: list[asyncio.Server | SecureListener] = []

    async def listen(self, sockets: Iterable[socket.socket], tls: TLS | None = None) -> None:
        for listener in sockets:
            _bound_unsent(listener)
            if tls is not None:
                secure = SecureListener(listener, self._door, tls, self._connection, self._loop)
                secure.start()
                self._servers.append(secure)
                continue
            server = await self._loop.create_server(self._connection, sock=listener, backlog=BACKLOG)
            self._servers.append(server)

    def _connection(self) -> ClientConnection:
        return ClientConnection(self._door, self._serve, self._loop)

    def stop_listening(self) -> None:
        """Accept no more connections. The kernel keeps new ones for other owners of the sockets."""
        for server in self._servers:
            server.close()

    async def drain(self, grace_s: float, *, patience_s: float) -> None:
        """Let the connections end: each after its next answer, an idle one when it has been idle for
        ``patience_s``, since its client may be sending a request just now. A new connection has five times as
        long: a client connects in order to send. Break all others after ``grace_s``."""
        door = self._door
        door.drain()
        began = self._loop.time()
        while (door.connections or door.handshaking) and self._loop.time() - began < grace_s:
            door.close_idle(patience_s, FRESH_PATIENCE * patience_s)
            await asyncio.sleep(QUIET_S)
        door.abort_all()


def _bound_unsent(listener: socket.socket) -> None:
    """Let the kernel take few bytes for a client that does not read. Accepted sockets inherit it.

    Without it the kernel takes megabytes for each. 200 such downloads at once kept the loop busy for seconds.
    """
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # Linux and macOS
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
