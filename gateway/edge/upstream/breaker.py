"""Circuit breaker of the event loop: stops requests to an endpoint that keeps failing, then probes it.

The policy is the service client's, too (atoll.client.policy).
"""

from collections.abc import Callable

from atoll.client.policy import FAILURES_TO_OPEN, FIRST_REST_S, LAST_REST_S, PROBE_TIMEOUT_S, PROBES

NO_PROBE = 0


class Breaker:
    """`FAILURES_TO_OPEN` failures in a row open it for `FIRST_REST_S`; then `PROBES` requests at a time
    may probe. A successful probe closes it. A failed one doubles the rest, up to `LAST_REST_S`.

    A probe without a verdict loses its slot after `PROBE_TIMEOUT_S`, so that a stalled exchange does not
    keep the breaker open. Its late verdict still counts. Each `asked` must be followed by exactly one
    `succeeded`, `failed` or `abandoned` with the number that `asked` gave. Not thread-safe.
    """

    __slots__ = ("_clock", "_failures", "_numbers", "_opened_at", "_probes", "_rest_s")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = 0
        self._opened_at: float | None = None
        self._rest_s = FIRST_REST_S
        self._numbers = NO_PROBE
        self._probes: dict[int, float] = {}

    @property
    def closed(self) -> bool:
        return self._opened_at is None

    @property
    def state(self) -> str:
        if self._opened_at is None:
            return "closed"
        return "half-open" if self.wait_s() <= 0 else "open"

    def wait_s(self) -> float:
        """Seconds until a probe may go; 0 or less when its rest is over."""
        return 0.0 if self._opened_at is None else self._opened_at + self._rest_s - self._clock()

    def may_ask(self) -> bool:
        return self._opened_at is None or (self.wait_s() <= 0 and self._probing() < PROBES)

    def asked(self) -> int:
        """Count a request that goes out. Its number when it is a probe, else `NO_PROBE`."""
        if self._opened_at is None:
            return NO_PROBE
        self._numbers += 1
        self._probes[self._numbers] = self._clock()
        return self._numbers

    def succeeded(self, probe: int = NO_PROBE) -> None:
        if probe:
            self._probes.clear()
            self._opened_at = None
        if self._opened_at is None:
            self._failures = 0

    def failed(self, probe: int = NO_PROBE) -> None:
        if probe:
            self._probe_failed(probe)
            return
        self._failures += 1
        if self._opened_at is None and self._failures >= FAILURES_TO_OPEN:
            self._opened_at = self._clock()
            self._rest_s = FIRST_REST_S

    def abandoned(self, probe: int = NO_PROBE) -> None:
        """The exchange says nothing about the endpoint, for example because the client left."""
        if probe:
            self._probes.pop(probe, None)

    def _probe_failed(self, probe: int) -> None:
        """A probe from before the last verdict of a probe counts like any request."""
        if probe not in self._probes:
            self.failed()
            return
        self._probes.clear()
        self._opened_at = self._clock()
        self._rest_s = min(self._rest_s * 2, LAST_REST_S)

    def _probing(self) -> int:
        """The number of probes that hold a slot."""
        if not self._probes:
            return 0
        oldest = self._clock() - PROBE_TIMEOUT_S
        return sum(began > oldest for began in self._probes.values())
