"""Messages that were in hand whenever receiving broke: the last defence against one that breaks it.

Reading and storing foresee everything that a stranger can write. Should one message get
past that, and end the consumer's connection each time it comes, it is met alone first and
put into quarantine unread in the end.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable

from atoll.bus.broker.messages import Arrival

# Interruptions with a message in hand after which messages are taken one by one.
IN_COMPANY = 3
# Interruptions with this message alone in hand after which it is not read any more.
ALONE = 3


class Suspects:
    """Counted in memory, by digest; a message that is stored is none any more."""

    def __init__(self) -> None:
        self._together: Counter[str] = Counter()
        self._alone: Counter[str] = Counter()

    @property
    def is_careful(self) -> bool:
        """Whether the next messages are to be taken one by one."""
        return any(count >= IN_COMPANY for count in self._together.values())

    def interrupted(self, arrivals: Iterable[Arrival]) -> None:
        """Receiving broke, and not for want of the database, with these in hand."""
        in_hand = {_digest(arrival) for arrival in arrivals}
        self._together.update(in_hand)
        if len(in_hand) == 1:
            self._alone.update(in_hand)
        # What was not in hand this time is not to blame.
        for counts in (self._together, self._alone):
            for digest in counts.keys() - in_hand:
                del counts[digest]

    def condemned(self, arrival: Arrival) -> bool:
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
