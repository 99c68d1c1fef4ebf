"""Load: a backlog published at once, or an open loop of events at fixed times."""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from django.db import connection, transaction

from atoll.bus import publish
from bench.bus.project.handlers import Booked

FILLER = "x" * 700  # an envelope of about 1 kB
PER_TRANSACTION = 500
# One commit waits for the disk; more threads let commits share that wait.
THREADS = 8


def backlog(numbers: Sequence[int]) -> None:
    """Publish an event for each number. Returns after their commits."""
    for start in range(0, len(numbers), PER_TRANSACTION):
        with transaction.atomic():
            for number in numbers[start : start + PER_TRANSACTION]:
                publish(Booked(number, False, FILLER))


@dataclass
class OpenLoop:
    """Publishes events at fixed times, independent of the duration of earlier events.

    ``committed`` maps an event's number to two times in nanoseconds since 1970: the
    intended time of publishing, and the time after the commit.
    """

    numbers: Sequence[int]
    per_s: float
    committed: dict[int, tuple[int, int]] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Publish all numbers, or until ``stop``."""
        begun = time.time_ns()
        moments = [
            (number, begun + int(place / self.per_s * 1e9)) for place, number in enumerate(self.numbers)
        ]
        threads = [
            threading.Thread(target=self._send, args=(iter(moments[offset::THREADS]),))
            for offset in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def stop(self) -> None:
        self._stop.set()

    def _send(self, moments: Iterator[tuple[int, int]]) -> None:
        for number, intended in moments:
            if self._stop.wait(max(0.0, (intended - time.time_ns()) / 1e9)):
                break
            with transaction.atomic():
                publish(Booked(number, True, FILLER))
            self.committed[number] = (intended, time.time_ns())
        connection.close()
