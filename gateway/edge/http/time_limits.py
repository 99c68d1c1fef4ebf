"""Ends connections whose time is over, and connections of slow clients.

One ticker looks at all of them, so a request needs no timer. It ends few at once: clients that connect
together are overdue together, and ending them must not hold up the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

from gateway.edge.http import heads

if TYPE_CHECKING:
    from gateway.edge.http.client import ClientConnection
    from gateway.edge.http.door import Door

TICK_S = 0.5
CLOSING_S = 5.0
ENDED_AT_ONCE = 32
SOON_S = 0.005
"""To the next tick when this one has left overdue connections."""


class TimeLimits:
    def __init__(self, door: Door, loop: asyncio.AbstractEventLoop) -> None:
        self._door = door
        self._loop = loop
        self._ticker: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._ticker = self._loop.call_later(TICK_S, self._tick)

    def stop(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()

    def _tick(self) -> None:
        now = self._loop.time()
        left = ENDED_AT_ONCE - self._end_overdue(now)
        left -= self._judge_bodies(now, left)
        left -= self._judge_readers(now, left)
        left -= self._judge_closing(now, left)
        self._ticker = self._loop.call_later(TICK_S if left else SOON_S, self._tick)

    def _end_overdue(self, now: float) -> int:
        """The number of connections that were ended."""
        door, limits = self._door, self._door.limits
        ended = 0
        ends: tuple[tuple[dict[ClientConnection, float], float, Callable[[ClientConnection], None]], ...] = (
            (door.reading, limits.head_s, _refuse),
            (door.fresh, limits.first_request_s, _close),
            (door.idle, limits.idle_s, _close),
        )
        for place, longest_s, end in ends:
            # The head of a connection that is being read has a time of its own.
            spared = door.reading if place is door.fresh or place is door.idle else ()
            overdue = [one for one in older(place, now - longest_s) if one not in spared]
            for connection in islice(overdue, ENDED_AT_ONCE - ended):
                place.pop(connection, None)
                end(connection)
                ended += 1
        return ended

    def _judge_bodies(self, now: float, most: int) -> int:
        """408 for a body that is awaited and arrives more slowly than the least rate."""
        receiving, limits = self._door.receiving, self._door.limits
        refused = 0
        for connection, (since, before) in list(receiving.items()):
            exchange = connection.exchange
            body = exchange.request_body if exchange is not None else None
            if body is None or body.complete:
                receiving.pop(connection, None)
            elif not body.is_awaited:
                receiving[connection] = (now, body.received)
            elif now - since >= limits.window_s:
                if body.received - before >= limits.least_bytes_per_s * limits.window_s:
                    receiving[connection] = (now, body.received)
                elif refused < most:
                    refused += 1
                    receiving.pop(connection, None)
                    body.fail(heads.too_slow())
        return refused

    def _judge_readers(self, now: float, most: int) -> int:
        """Break the connection of a client that reads its answer more slowly than the least rate."""
        limits = self._door.limits
        broken = 0
        for connection in list(self._door.stalled):
            if connection.stalled is None:
                continue
            since, before = connection.stalled
            if now - since < limits.window_s:
                continue
            taken = connection.taken_bytes
            if taken - before >= limits.least_bytes_per_s * limits.window_s:
                connection.stalled = (now, taken)
            elif broken < most:
                broken += 1
                connection.abort()
        return broken

    def _judge_closing(self, now: float, most: int) -> int:
        """Break connections that are to end when their client takes nothing more, or too slowly."""
        door, limits = self._door, self._door.limits
        broken = 0
        for place, window_s in ((door.lingering, limits.linger_s), (door.closing, CLOSING_S)):
            for connection, (since, before) in list(place.items()):
                if now - since < window_s:
                    continue
                taken = connection.taken_bytes
                if taken - before >= limits.least_bytes_per_s * window_s:
                    place[connection] = (now, taken)
                elif broken < most:
                    broken += 1
                    connection.abort()
        return broken


def older(place: dict[ClientConnection, float], than: float) -> list[ClientConnection]:
    """The dict is in the order of its times, so this stops at the first younger one."""
    found = []
    for connection, since in place.items():
        if since > than:
            break
        found.append(connection)
    return found


def _refuse(connection: ClientConnection) -> None:
    connection.refuse_slow_head()


def _close(connection: ClientConnection) -> None:
    connection.close()
