"""When a request may be sent again.

Only when it is safe: nothing was sent, or the method is idempotent (RFC 9110
§9.2.2), or the client named the work with ``Idempotency-Key``; the body must
still be at hand, and no byte of an answer may have gone to the client. All tries
share one deadline, and retries are a bounded share of all requests, so that they
never turn a slow service into a dead one.
"""

from collections.abc import Callable

from gateway.edge.upstream.failures import Dropped, NotSent, UpstreamFailure

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
MAX_TRIES = 3
REQUESTS_PER_RETRY = 5
RETRIES_PER_S = 1.0
MOST_RETRIES = 10


class Budget:
    """One retry for every ``REQUESTS_PER_RETRY`` requests, or for every second; at most
    ``MOST_RETRIES`` saved up. Kept in requests, which are whole numbers."""

    __slots__ = ("_clock", "_refilled_at", "_saved")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._saved: float = MOST_RETRIES * REQUESTS_PER_RETRY
        self._refilled_at = clock()

    def request(self) -> None:
        if self._saved < MOST_RETRIES * REQUESTS_PER_RETRY:
            self._saved += 1

    def spend(self) -> bool:
        now = self._clock()
        earned = (now - self._refilled_at) * RETRIES_PER_S * REQUESTS_PER_RETRY
        self._refilled_at = now
        self._saved = min(MOST_RETRIES * REQUESTS_PER_RETRY, self._saved + earned)
        if self._saved < REQUESTS_PER_RETRY:
            return False
        self._saved -= REQUESTS_PER_RETRY
        return True


def repeatable(method: str, *, has_key: bool) -> bool:
    """Whether doing the work twice is the same as doing it once."""
    return has_key or method in IDEMPOTENT


def after_failure(failure: UpstreamFailure, *, is_repeatable: bool, body_at_hand: bool) -> bool:
    """Time-outs are never repeated: the time is gone, and the work may still be going on."""
    if isinstance(failure, NotSent):
        return True
    return isinstance(failure, Dropped) and is_repeatable and body_at_hand
