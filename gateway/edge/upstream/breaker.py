"""Circuit breaker: stop asking what does not answer, and find out gently when it does again.

Failures are transport failures, time-outs and 502, 503, 504. A 500 is an answer:
one broken page must not take its whole service away from everybody.
"""

from collections.abc import Callable

FAILURES = 5
# docs/decisions/0021: a rest grows from the first to the last while probes fail.
FIRST_REST_S = 1.0
LAST_REST_S = 60.0
PROBES = 1
FAILURE_STATUSES = frozenset({502, 503, 504})


class Breaker:
    """``FAILURES`` in a row open it for ``FIRST_REST_S``; then ``PROBES`` requests at a time may try.

    A probe that succeeds closes it; one that fails opens it for twice as long as
    before, at most ``LAST_REST_S``.
    """

    __slots__ = ("_clock", "_failures", "_opened_at", "_probes", "_rest_s")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = 0
        self._opened_at: float | None = None
        self._rest_s = FIRST_REST_S
        self._probes = 0

    @property
    def closed(self) -> bool:
        return self._opened_at is None

    @property
    def state(self) -> str:
        if self._opened_at is None:
            return "closed"
        return "half-open" if self.wait_s() <= 0 else "open"

    def wait_s(self) -> float:
        """Seconds until a probe may go."""
        return 0.0 if self._opened_at is None else self._opened_at + self._rest_s - self._clock()

    def may_ask(self) -> bool:
        return self._opened_at is None or (self.wait_s() <= 0 and self._probes < PROBES)

    def asked(self) -> bool:
        """Count a request that goes out; True when it is a probe, to be given to the verdict."""
        if self._opened_at is None:
            return False
        self._probes += 1
        return True

    def succeeded(self, *, probe: bool) -> None:
        if probe:
            self._probes -= 1
            self._opened_at = None
        if self._opened_at is None:
            self._failures = 0

    def failed(self, *, probe: bool) -> None:
        if probe:
            self._probes -= 1
            self._opened_at = self._clock()
            self._rest_s = min(self._rest_s * 2, LAST_REST_S)
            return
        self._failures += 1
        if self._opened_at is None and self._failures >= FAILURES:
            self._opened_at = self._clock()
            self._rest_s = FIRST_REST_S

    def reconsider(self) -> None:
        """Something has changed upstream: an open breaker need not wait before its next probe."""
        if self._opened_at is not None:
            self._opened_at = min(self._opened_at, self._clock() - 2 * LAST_REST_S)

    def abandoned(self, *, probe: bool) -> None:
        """The exchange ended for a reason of the client's: no verdict on the upstream."""
        if probe:
            self._probes -= 1
