"""What a relay reads next, so that a backlog makes way for new messages.

Receivers' queues are first in, first out: a message waits behind all that was published before it. So while
new messages come, the old ones go out in small slices. Alone they go at full speed, after a few slices by
which the receivers learn of the backlog and let new messages pass it (broker/amqp_passing.py).
"""

import time
from collections.abc import Callable

from atoll.bus.broker.messages import Outgoing
from atoll.bus.outbox import store as outbox

BATCH = 500
# A batch is marked after its last confirm. A larger one could take longer than a holder may be silent.
BATCH_CHARACTERS = 4 * 2**20
SLICE = 25
PAUSE_S = 0.02
# A backlog begins with slices for so long, whether new messages come or not.
LEAD_S = 0.3
# Old messages are alone when no new one has come for so long.
ALONE_S = 2.0
# Commits wake the relay; the poll finds the rows of a lost wake, a lease that ended, or a refusal.
POLL_EVERY_S = 1.0


class Pace:
    """Chooses the rows of each turn of one relay."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._is_behind = False
        self._alone_at = self._next_slice = float("-inf")

    def read(self) -> list[Outgoing]:
        """All that is new, and the oldest rows when it is their turn."""
        now = self._clock()
        if not self._is_behind:
            rows = self._oldest(BATCH)
            if not self._is_behind:
                return _bounded(rows)
            self._alone_at = max(self._alone_at, now + LEAD_S)
        new = outbox.new(BATCH)
        if new:
            self._alone_at = now + ALONE_S
        if self._shares(now) and now < self._next_slice:
            return _bounded(new)
        self._next_slice = now + PAUSE_S
        taken = {row.id for row in new}
        old = self._oldest(SLICE if self._shares(now) else BATCH)
        return _bounded([*new, *(row for row in old if row.id not in taken)])

    def pause_s(self) -> float:
        """The seconds until the next turn, if no commit wakes the relay before."""
        if not self._is_behind:
            return POLL_EVERY_S
        now = self._clock()
        return self._next_slice - now if self._shares(now) else 0.0

    def _oldest(self, limit: int) -> list[Outgoing]:
        rows = outbox.due(limit)
        self._is_behind = len(rows) == limit
        return rows

    def _shares(self, now: float) -> bool:
        return now < self._alone_at


def _bounded(rows: list[Outgoing]) -> list[Outgoing]:
    """The first rows, of BATCH_CHARACTERS at most; at least one. The others stay due."""
    size = 0
    for place, row in enumerate(rows):
        size += len(row.body)
        if size > BATCH_CHARACTERS:
            return rows[: max(place, 1)]
    return rows
