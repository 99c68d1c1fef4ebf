"""Circuit breaker of the event loop: stops requests to an upstream that keeps failing, then probes it.

The policy is the service client's, too (atoll.client.policy).
"""

from collections.abc import Callable

from atoll.client.policy import FAILURES_TO_OPEN, FIRST_REST_S, LAST_REST_S, PROBES


class Breaker:
    """`FAILURES_TO_OPEN` failures in a row open it for `FIRST_REST_S`; then `PROBES` requests at a time
    may probe. A successful probe closes it. A failed one doubles the rest, up to `LAST_REST_S`.

    Each `asked` must be followed by exactly one `succeeded`, `failed` or `abandoned`. Not thread-safe.
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
        """Count a request that goes out. True when it is a probe; its verdict must say so."""
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
        if self._opened_at is None and self._failures >= FAILURES_TO_OPEN:
            self._opened_at = self._clock()
            self._rest_s = FIRST_REST_S

    def reconsider(self) -> None:
        """Let an open breaker probe at once, since its upstream has changed."""
        if self._opened_at is not None:
            self._opened_at = min(self._opened_at, self._clock() - 2 * LAST_REST_S)

    def abandoned(self, *, probe: bool) -> None:
        """The exchange says nothing about the upstream, for example because the client left."""
        if probe:
            self._probes -= 1
