"""Lanes: the messages of one key from one producer, for one ordered handler.

The claim keeps their order, and the worker that ends one delivery goes on with the next. A delivery that
waits for its turn gets no hints. ``LaneWaker`` finds the lanes that no worker goes on with, because the last
one was killed, or because staff replayed or discarded the delivery that the rest waited for.
docs/decisions/0030 has the reasons.
"""

from collections.abc import Sequence

from django.db import connection

from atoll.bus.delivery import statements
from atoll.bus.inbox.store import Delivery

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


def end_running(new: Sequence[Delivery]) -> None:
    """Settle the deliveries of a batch that were stored as running."""
    if running := [delivery.id for delivery in new if delivery.status == "running"]:
        with connection.cursor() as cursor:
            cursor.execute(statements.DONE_IN_LANES, {"ids": running})


def with_waiting(wanted: Sequence[Delivery]) -> set[tuple[str, str]]:
    """The lanes of these deliveries with an open or dead delivery, or one that was overtaken."""
    in_lanes = [delivery for delivery in wanted if delivery.lane]
    if not in_lanes:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            statements.LANES_WITH_WAITING,
            {
                "handlers": [delivery.handler_id for delivery in in_lanes],
                "lanes": [delivery.lane for delivery in in_lanes],
                "positions": [delivery.envelope.key_sequence for delivery in in_lanes],
            },
        )
        return set(cursor.fetchall())
