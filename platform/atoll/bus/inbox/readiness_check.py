"""The check behind ``/health/ready`` that reads the readiness to receive messages."""

import time
from collections.abc import Callable

from health_check.exceptions import ServiceUnavailable

from atoll.bus.inbox.readiness import state
from atoll.bus.ttl_cache import TtlCache
from atoll.health.checks import Degraded

# Consumers report every few seconds; past this without a report, none is there. A web process that has
# just started waits as long for the workers, which start after it.
SILENCE_S = 60.0
READ_EVERY_S = 2.0


class NotReceiving(ServiceUnavailable):
    """The service's messages stay on the broker, and no consumer takes them."""


class Check:
    """For ``/health/ready``. Raises NotReceiving when no consumer is there, or none keeps its connection.

    Raises Degraded while a consumer is there and broker or database is away: messages wait, and
    requests are answered.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._state = TtlCache(state, ttl_s=READ_EVERY_S, clock=clock)

    def __call__(self) -> None:
        found = self._state()
        if found is None:
            return
        healthy_s = float("inf") if found.healthy_age_s is None else found.healthy_age_s
        problem_s = float("inf") if found.problem_age_s is None else found.problem_age_s
        if problem_s < min(healthy_s, SILENCE_S):
            raise (Degraded if found.is_away else NotReceiving)(found.problem)
        if healthy_s > SILENCE_S and self._clock() - self._started > SILENCE_S:
            since = f"for {round(healthy_s)} s" if found.healthy_age_s is not None else "yet"
            raise NotReceiving(f"No worker of this service has received messages {since}.")
