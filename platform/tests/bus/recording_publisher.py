"""A publisher without a broker."""

from collections.abc import Sequence

from atoll.bus.broker.messages import Outgoing
from atoll.bus.broker.publisher import Outcome, Publisher


class RecordingPublisher(Publisher):
    """A publisher that only records its rows."""

    def __init__(self) -> None:
        self.rows: list[Outgoing] = []

    def publish(self, rows: Sequence[Outgoing]) -> Outcome:
        self.rows.extend(rows)
        return Outcome(published=[row.id for row in rows])

    def close(self) -> None: ...
