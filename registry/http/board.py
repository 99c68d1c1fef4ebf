"""What this process knows of every service, in memory: reads and heartbeats are answered from it.

While changes are heard (`is_listening`) it is as good as the database, milliseconds behind it.
While the database is away it is the last that was known, and says how old that is.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from django.db import InterfaceError, OperationalError

from atoll.errors import Unavailable
from registry.constants import LEASE
from registry.http.beats import Beats
from registry.selectors import STATES, UNKNOWN, Answer, describe, seat_status
from registry.silence import Seat, last_known

# A caller waits so long for a reading when there is something in memory to tell instead.
KNOWN_WAITS_S = 1.0
# After a reading failed, memory answers alone for so long.
AWAY_S = 1.0
# A beat with less than this left of its lease is written at once.
URGENT_LEFT_S = 15.0

AWAY = (Unavailable, OperationalError, InterfaceError)


@dataclass
class Entry:
    """A service as it was read at ``read_at``, after ``marks`` changes of it had been heard of.
    ``expires``: of each instance's lease, by this process's clock, with the beats it has had here."""

    answer: Answer
    seats: dict[str, Seat]
    expires: dict[str, float]
    read_at: float
    marks: int


class Board:
    """Used by one event loop. ``read`` asks the database, and settles what it finds changed."""

    def __init__(
        self,
        read: Callable[[str], Awaitable[Answer]],
        beats: Beats,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._beats = beats
        self._clock = clock
        self._entries: dict[str, Entry] = {}
        self._marks: dict[str, int] = {}
        self._away_until = float("-inf")
        self.is_listening = False

    def mark(self, service: str) -> None:
        """It has changed: what is in memory is read again before it is told as current."""
        self._marks[service] = self._marks.get(service, 0) + 1
        self._away_until = float("-inf")

    def mark_all(self) -> None:
        """After a time in which changes may have gone unheard."""
        for service in self._entries:
            self.mark(service)

    def forget(self, service: str, instance_id: str) -> None:
        """It has left, so its next beat is not to be believed."""
        entry = self._entries.get(service)
        if entry is not None:
            entry.seats.pop(instance_id, None)
        self.mark(service)

    def beat(self, service: str, instance_id: str, incarnation: int) -> str | None:
        """Accepts a heartbeat without asking anybody: ``"ok"`` or ``"draining"``. None for one
        that only the database can judge: of an unknown instance, or of another life of it."""
        entry = self._entries.get(service)
        seat = entry.seats.get(instance_id) if entry else None
        if entry is None or seat is None or incarnation not in (0, seat.incarnation):
            return None
        now = self._clock()
        is_urgent = entry.expires[instance_id] - now < URGENT_LEFT_S
        entry.expires[instance_id] = now + LEASE.total_seconds()
        self._beats.add(seat.pk, incarnation, urgent=is_urgent)
        return "draining" if seat.is_drained else "ok"

    async def answer(self, service: str) -> Answer:
        """The answer now. Raises Unavailable when the database is away and nothing is known."""
        entry = self._entries.get(service)
        if entry is not None and self._is_current(service, entry):
            return entry.answer
        if self._clock() < self._away_until:
            return self._from_memory(service)
        reading = asyncio.ensure_future(self._take(service))
        patience_s = None if entry is None else KNOWN_WAITS_S
        try:
            return await asyncio.wait_for(asyncio.shield(reading), patience_s)
        except (TimeoutError, *AWAY):
            self._away_until = self._clock() + AWAY_S
            reading.add_done_callback(_hear)
            return self._from_memory(service)

    def listed(self, start: int, size: int) -> tuple[int, list[dict[str, Any]], float]:
        """How many services there are, the descriptions of some, and how old the oldest is."""
        names = sorted(self._entries)
        now = self._clock()
        entries = [(name, self._entries[name]) for name in names[start : start + size]]
        age_s = max((now - entry.read_at for _, entry in entries), default=0.0)
        return (
            len(names),
            [describe(name, entry.answer, now - entry.read_at) for name, entry in entries],
            age_s,
        )

    def tally(self) -> list[tuple[str, Counter[str]]]:
        """Of each service: how many instances are in which state. May be asked by any thread."""
        now, found = self._clock(), []
        for name, entry in sorted(self._entries.copy().items()):
            seats = [
                replace(seat, left_s=entry.expires.get(seat.id, now) - now) for seat in entry.answer.seats
            ]
            kept = last_known(seats)
            states = Counter(dict.fromkeys(STATES, 0))
            states.update(seat_status(seat, kept) for seat in seats)
            found.append((name, states))
        return found

    async def _take(self, service: str) -> Answer:
        marks, begun = self._marks.get(service, 0), self._clock()
        answer = await self._read(service)
        if answer.state == UNKNOWN:
            return answer
        seats = {seat.id: seat for seat in answer.seats}
        expires = {seat.id: begun + seat.left_s for seat in answer.seats}
        self._entries[service] = Entry(answer, seats, expires, begun, marks)
        return answer

    def _is_current(self, service: str, entry: Entry) -> bool:
        if not self.is_listening or entry.marks != self._marks.get(service, 0):
            return False
        valid_s = entry.answer.valid_s
        return valid_s is None or self._clock() < entry.read_at + valid_s

    def _from_memory(self, service: str) -> Answer:
        entry = self._entries.get(service)
        if entry is None:
            raise Unavailable("registry", f"its database is away, and nothing is known of {service}.")
        return replace(entry.answer, valid_s=None, stale_s=self._clock() - entry.read_at)


def _hear(reading: "asyncio.Future[Answer]") -> None:
    """Of a reading nobody waits for any more, so that its error is no surprise."""
    with suppress(asyncio.CancelledError):
        reading.exception()
