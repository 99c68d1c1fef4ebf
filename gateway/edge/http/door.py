"""Admits connections of clients, and knows the state of each.

A client may hold room here, never the gateway: connections in all and per address, the time for a
head, the least rate of a body, and the least rate at which a client reads its answer are bounded.
`TimeLimits` enforces the times and rates.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from atoll.addresses import Network, bucket, read, within
from gateway.edge.error_responses import ErrorResponse
from gateway.edge.http.time_limits import TimeLimits, older
from gateway.edge.limits.allowance import Allowance

if TYPE_CHECKING:
    from gateway.edge.http.client import ClientConnection
    from gateway.edge.http.handshake import Handshake
    from gateway.edge.websocket import Splice

SPARED_S = 1.0


@dataclass(frozen=True)
class Limits:
    """``connections_per_address`` counts an IPv6 /64 as one address. Proxies that are trusted have no
    limit of their own. A rate is measured over ``window_s``. ``handshakes_per_address`` of TLS may come at
    once, and one more every ``handshake_regain_s``."""

    connections: int = 8_192
    connections_per_address: int = 1_024
    first_request_s: float = 10.0
    head_s: float = 10.0
    idle_s: float = 75.0
    linger_s: float = 2.0
    window_s: float = 15.0
    least_bytes_per_s: int = 1_024
    handshake_s: float = 10.0
    handshakes_per_address: int = 200
    handshake_regain_s: float = 0.02


TOO_MANY = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
    b"retry-after: 5\r\nconnection: close\r\n\r\n%b"
)


@dataclass
class HandshakeCounts:
    """``refused``: without a handshake, by a limit. ``failed``: by the client, or not in time."""

    done: int = 0
    failed: int = 0
    refused: int = 0


class Door:
    """All connections of this process. Each is in ``idle`` while it waits for a request."""

    def __init__(self, limits: Limits, loop: asyncio.AbstractEventLoop, trusted: tuple[Network, ...]) -> None:
        self.limits = limits
        self.is_draining = False
        self.connections: set[ClientConnection] = set()
        self.fresh: dict[ClientConnection, float] = {}
        self.idle: dict[ClientConnection, float] = {}
        self.reading: dict[ClientConnection, float] = {}
        self.receiving: dict[ClientConnection, tuple[float, int]] = {}
        self.lingering: dict[ClientConnection, tuple[float, int]] = {}
        self.closing: dict[ClientConnection, tuple[float, int]] = {}
        self.stalled: set[ClientConnection] = set()
        self.spliced: set[Splice] = set()
        self.refused = 0
        self.handshaking: dict[ClientConnection, Handshake] = {}
        self.handshakes = HandshakeCounts()
        self._handshakes_of = Allowance(limits.handshakes_per_address, limits.handshake_regain_s, loop.time)
        self._loop = loop
        self._trusted = trusted
        self._per_address: Counter[str] = Counter()
        self._time_limits = TimeLimits(self, loop)

    def start(self) -> None:
        self._time_limits.start()

    def stop(self) -> None:
        """Break all connections."""
        self._time_limits.stop()
        self.abort_all()

    def abort_all(self) -> None:
        for connection in list(self.connections):
            connection.abort()
        for handshake in list(self.handshaking.values()):
            handshake.abort()

    def admit_handshake(self, connection: ClientConnection, handshake: Handshake) -> bool:
        """Count a new connection that begins with a handshake. False when it finds no room."""
        address, limits = bucket(handshake.peer), self.limits
        if not within(read(handshake.peer), self._trusted):
            if (
                self._per_address[address] >= limits.connections_per_address
                or self._handshakes_of.wait_s(address) > 0
            ):
                self.handshakes.refused += 1
                return False
            self._handshakes_of.count(address)
        if not self._has_room():
            self.handshakes.refused += 1
            return False
        self._per_address[address] += 1
        self.handshaking[connection] = handshake
        return True

    def end_handshake(self, connection: ClientConnection, *, is_good: bool) -> None:
        """The first call counts."""
        handshake = self.handshaking.pop(connection, None)
        if handshake is None:
            return
        self._release(bucket(handshake.peer))
        if is_good:
            self.handshakes.done += 1
        else:
            self.handshakes.failed += 1

    def admit(self, connection: ClientConnection) -> bool:
        """Count a new connection. One that finds no room gets 503 and is closed."""
        self.end_handshake(connection, is_good=True)
        address = connection.address = bucket(connection.peer)
        is_full = self._per_address[address] >= self.limits.connections_per_address
        if is_full and not within(read(connection.peer), self._trusted):
            self._refuse(connection, "too_many_connections", "This address holds too many connections.")
            return False
        if not self._has_room():
            self._refuse(connection, "overloaded", "The gateway holds all the connections that it can.")
            return False
        self._per_address[address] += 1
        self.connections.add(connection)
        self.fresh[connection] = connection.since
        return True

    def leave(self, connection: ClientConnection) -> None:
        if connection not in self.connections:
            return
        self.connections.discard(connection)
        self._release(connection.address)
        self.stalled.discard(connection)
        for place in (self.fresh, self.idle, self.reading):
            place.pop(connection, None)
        for judged in (self.receiving, self.lingering, self.closing):
            judged.pop(connection, None)

    def drain(self) -> None:
        """From now on each connection closes after its next answer, and WebSockets close now."""
        self.is_draining = True
        for splice in list(self.spliced):
            splice.go_away()

    def close_idle(self, idle_s: float, fresh_s: float) -> None:
        """Close the connections that have waited for so long for a further request, or for their first."""
        now = self._loop.time()
        for place, since in ((self.idle, now - idle_s), (self.fresh, now - fresh_s)):
            for connection in older(place, since):
                if connection not in self.reading:
                    connection.close()

    def _release(self, address: str) -> None:
        self._per_address[address] -= 1
        if self._per_address[address] <= 0:
            del self._per_address[address]

    def _has_room(self) -> bool:
        return len(self.connections) + len(self.handshaking) < self.limits.connections or self._evict()

    def _evict(self) -> bool:
        """Close the connection that has been idle, silent or dripping its head for the longest time.

        One that is younger than SPARED_S is spared, since its request may be under way.
        """
        spared = self._loop.time() - SPARED_S
        for waiting, handshake in self.handshaking.items():
            if handshake.since > spared:
                break
            handshake.abort()
            self.end_handshake(waiting, is_good=False)
            return True
        for place in (self.idle, self.fresh, self.reading):
            for connection, since in place.items():
                if since > spared:
                    break
                if place is self.reading or connection not in self.reading:
                    connection.abort()
                    self.leave(connection)
                    return True
        return False

    def _refuse(self, connection: ClientConnection, code: str, message: str) -> None:
        self.refused += 1
        error = ErrorResponse(503, "Service temporarily unavailable", code, message)
        body = error.body("")
        connection.transport.write(TOO_MANY % (len(body), body))
        connection.transport.close()
