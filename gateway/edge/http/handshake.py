"""Accepts connections that begin with a TLS handshake.

The gateway accepts them itself, so that the door counts a connection and may refuse it before its
handshake: that costs as much processor time as several requests, and everybody may ask for one.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.edge.http.client import ClientConnection
    from gateway.edge.http.door import Door
    from gateway.edge.http.tls import TLS

log = logging.getLogger(__name__)

ACCEPTED_AT_ONCE = 16
"""Then other connections get their turn."""
REST_S = 1.0
"""After the system had no room for one more connection."""


class Handshake:
    """``since`` is the time of its start, on the loop's clock."""

    def __init__(self, peer: str, since: float) -> None:
        self.peer = peer
        self.since = since
        self._task: asyncio.Task[None] | None = None

    def start(self, task: asyncio.Task[None]) -> None:
        self._task = task

    def abort(self) -> None:
        if self._task is not None:
            self._task.cancel()


class SecureListener:
    """Takes the connections of ``listener``, which listens already. ``make`` gives their protocol."""

    def __init__(
        self,
        listener: socket.socket,
        door: Door,
        tls: TLS,
        make: Callable[[], ClientConnection],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._listener = listener
        self._door = door
        self._tls = tls
        self._make = make
        self._loop = loop
        self._rest: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._loop.add_reader(self._listener.fileno(), self._accept)

    def close(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
        self._loop.remove_reader(self._listener.fileno())
        self._listener.close()

    def _accept(self) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                accepted, address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                log.error("connections cannot be accepted for %g s: %s", REST_S, error)
                self._loop.remove_reader(self._listener.fileno())
                self._rest = self._loop.call_later(REST_S, self.start)
                return
            self._begin(accepted, address[0])

    def _begin(self, accepted: socket.socket, peer: str) -> None:
        connection = self._make()
        handshake = Handshake(peer, self._loop.time())
        if not self._door.admit_handshake(connection, handshake):
            accepted.close()  # before the handshake nothing can be said to the client
            return
        accepted.setblocking(False)
        handshake.start(self._loop.create_task(self._shake(connection, accepted)))

    async def _shake(self, connection: ClientConnection, accepted: socket.socket) -> None:
        """After the handshake `ClientConnection.connection_made` is called."""
        try:
            await self._loop.connect_accepted_socket(
                lambda: connection,
                accepted,
                ssl=self._tls.context,
                ssl_handshake_timeout=self._door.limits.handshake_s,
            )
        except (OSError, asyncio.CancelledError):  # ssl.SSLError and time-outs are OSError
            with suppress(OSError):
                accepted.close()
        finally:
            self._door.end_handshake(connection, is_good=False)  # a good one has been ended
