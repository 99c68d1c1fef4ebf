"""Suspects: messages that were in hand each time receiving broke.

Reading and storing expect any bytes. Should a message break the consumer all the same, each time that
it comes, the consumer first takes messages one by one to find it, then puts it into quarantine unread.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable

from atoll.bus.broker.messages import Arrival

# After so many interruptions with one message in hand, messages are taken one by one.
TOGETHER = 3
# After so many interruptions with one message alone in hand, it is not read any more.
ALONE = 3


class Suspects:
    """Counts interruptions in memory, by message. A stored message is no suspect any more."""

    def __init__(self) -> None:
        self._together: Counter[str] = Counter()
        self._alone: Counter[str] = Counter()

    @property
    def is_careful(self) -> bool:
        """Whether messages are taken one by one."""
        return any(count >= TOGETHER for count in self._together.values())

    def interrupted(self, arrivals: Iterable[Arrival]) -> None:
        """Receiving broke with these messages in hand; the database was there."""
        in_hand = {_digest(arrival) for arrival in arrivals}
        self._together.update(in_hand)
        if len(in_hand) == 1:
            self._alone.update(in_hand)
        # A message that was not in hand this time did not break it.
        for counts in (self._together, self._alone):
            for digest in counts.keys() - in_hand:
                del counts[digest]

    def condemned(self, arrival: Arrival) -> bool:
        """Whether the message is put into quarantine unread."""
        return bool(self._alone) and self._alone[_digest(arrival)] >= ALONE

    def stored(self, arrivals: Iterable[Arrival]) -> None:
        if self._together:
            for arrival in arrivals:
                self._together.pop(_digest(arrival), None)
                self._alone.pop(_digest(arrival), None)


def _digest(arrival: Arrival) -> str:
    digest = hashlib.sha256(arrival.body)
    digest.update(repr((arrival.queue, arrival.routing_key, arrival.properties, arrival.headers)).encode())
    return digest.hexdigest()
