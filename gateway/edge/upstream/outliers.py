"""Takes out an instance that fails far more often than its peers, for a growing time.

A breaker sees failures in a row. It does not see an instance that fails half of its requests, and it
does not count a 500, since a broken page of a service must not close the service. A broken page is broken
at all instances, though. So here a 500 counts, and only the difference to the peers matters: it must be
above `LEAST_DIFFERENCE` and above three standard errors of the difference of two proportions.
"""

import logging
from collections.abc import Callable, Sequence
from math import sqrt
from typing import Protocol

log = logging.getLogger(__name__)

WINDOW_S = 30.0
LEAST_REQUESTS = 20
LEAST_DIFFERENCE = 0.2
STANDARD_ERRORS = 3.0
FIRST_EJECTION_S = 10.0
LAST_EJECTION_S = 300.0


class Counted(Protocol):
    """``asked`` and ``failed`` count the requests of the window. The ejection ends at ``ejected_until``."""

    id: str
    asked: int
    failed: int
    ejections: int
    ejected_until: float


class Outliers:
    """The endpoints of one service. At most half of them are out at a time."""

    __slots__ = ("_clock", "_window_ends")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._window_ends = 0.0

    def count_failure(self, endpoint: Counted, endpoints: Sequence[Counted]) -> bool:
        """Count the failure of a request that ``asked`` counts already. True when it ejects the endpoint.

        Only failures look at the clock, so a success costs one addition. A window begins with a failure.
        """
        now = self._clock()
        if now >= self._window_ends:
            self._window_ends = now + WINDOW_S
            for one in endpoints:
                one.asked = one.failed = 0
            endpoint.asked = 1
        endpoint.failed += 1
        if now < endpoint.ejected_until or not self._stands_out(endpoint, endpoints):
            return False
        if 1 + sum(now < one.ejected_until for one in endpoints) > len(endpoints) // 2:
            return False
        self._eject(endpoint, now)
        return True

    def readmit(self, endpoints: Sequence[Counted]) -> None:
        """Bring ejected endpoints back until at most half are out, after others have left the service."""
        now = self._clock()
        out = sorted((one for one in endpoints if now < one.ejected_until), key=lambda one: one.ejected_until)
        for endpoint in out[: max(0, len(out) - len(endpoints) // 2)]:
            endpoint.ejected_until = now

    def _stands_out(self, endpoint: Counted, endpoints: Sequence[Counted]) -> bool:
        asked, failed = endpoint.asked, endpoint.failed
        peers_asked = sum(one.asked for one in endpoints) - asked
        peers_failed = sum(one.failed for one in endpoints) - failed
        if asked < LEAST_REQUESTS or peers_asked < LEAST_REQUESTS:
            return False
        together = (failed + peers_failed) / (asked + peers_asked)
        error = sqrt(together * (1 - together) * (1 / asked + 1 / peers_asked))
        return failed / asked - peers_failed / peers_asked > max(LEAST_DIFFERENCE, STANDARD_ERRORS * error)

    def _eject(self, endpoint: Counted, now: float) -> None:
        """The time doubles with each ejection. It starts anew for one that was in for `LAST_EJECTION_S`."""
        if now - endpoint.ejected_until > LAST_EJECTION_S:
            endpoint.ejections = 0
        for_s = min(FIRST_EJECTION_S * 2**endpoint.ejections, LAST_EJECTION_S)
        endpoint.ejections += 1
        endpoint.ejected_until = now + for_s
        log.warning(
            "instance %s fails %d of %d requests, far more than its peers: it is out for %.0f s",
            endpoint.id,
            endpoint.failed,
            endpoint.asked,
            for_s,
        )
        endpoint.asked = endpoint.failed = 0
