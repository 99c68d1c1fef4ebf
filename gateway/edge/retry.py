"""When a request may be sent again.

Only when it is safe: nothing was sent, or the method is idempotent (RFC 9110
§9.2.2), or the client named the work with ``Idempotency-Key``; the body must
still be at hand, and no byte of an answer may have gone to the client. All tries
share one deadline, and retries are a bounded share of all requests, so that they
never turn a slow service into a dead one.
"""

from collections.abc import Callable

from gateway.edge.failures import Dropped, NotSent, UpstreamFailure

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
MAX_TRIES = 3
SHARE = 0.2
FLOOR_PER_S = 1.0
MOST_SAVED = 10.0


class Budget:
    """Each request saves ``SHARE`` of a retry, each second ``FLOOR_PER_S``; a retry spends one."""

    __slots__ = ("_clock", "_refilled_at", "_saved")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._saved = MOST_SAVED
        self._refilled_at = clock()

    def request(self) -> None:
        if self._saved < MOST_SAVED:
            self._saved += SHARE

    def spend(self) -> bool:
        now = self._clock()
        earned = (now - self._refilled_at) * FLOOR_PER_S
        self._refilled_at = now
        self._saved = min(MOST_SAVED, self._saved + earned)
        if self._saved < 1:
            return False
        self._saved -= 1
        return True


def repeatable(method: str, *, has_key: bool) -> bool:
    """Whether doing the work twice is the same as doing it once."""
    return has_key or method in IDEMPOTENT


def after_failure(failure: UpstreamFailure, *, is_repeatable: bool, body_at_hand: bool) -> bool:
    """Time-outs are never repeated: the time is gone, and the work may still be going on."""
    if not body_at_hand:
        return False
    if isinstance(failure, NotSent):
        return True
    return isinstance(failure, Dropped) and is_repeatable
