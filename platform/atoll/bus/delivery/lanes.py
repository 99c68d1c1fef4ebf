"""Lanes: the messages of one key from one producer, for one ordered handler.

The claim keeps their order, and the worker that ends one delivery goes on with the next. A delivery that
waits for its turn gets no hints. ``LaneWaker`` finds the lanes that no worker goes on with, because the last
one was killed, or because staff replayed or discarded the delivery that the rest waited for.
docs/decisions/0030 has the reasons.
"""

from django.db import connection

from atoll.bus.delivery import statements

HEADS_AT_ONCE = 500


class LaneWaker:
    """Looks at HEADS_AT_ONCE lanes with each step, round and round."""

    def __init__(self) -> None:
        self._after = ("", "")

    def step(self) -> None:
        """Make due the parked deliveries that have nothing before them in their lanes any more."""
        handler, lane = self._after
        with connection.cursor() as cursor:
            cursor.execute(statements.WAKE_LANES, {"handler": handler, "lane": lane, "limit": HEADS_AT_ONCE})
            self._after = cursor.fetchone() or ("", "")
