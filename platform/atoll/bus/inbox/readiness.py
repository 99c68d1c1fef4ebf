"""Whether the service receives its messages, as its consumers say in the database and web processes read.

The row says nothing before the first worker of the service has run.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from django.db import connection
from health_check.exceptions import ServiceUnavailable

from atoll.bus.inbox.consumer_status import Problem
from atoll.bus.ttl_cache import TtlCache
from atoll.health.checks import Degraded

# A consumer says every few seconds that it is there. Past this nobody does; for as long a web process
# that has just started gives the workers, which start after it.
SILENCE_S = 60.0
ASKED_EVERY_S = 2.0

WELL = """
INSERT INTO atoll_bus_reception (id, consumed_at) VALUES (1, statement_timestamp())
ON CONFLICT (id) DO UPDATE SET consumed_at = excluded.consumed_at
"""
ILL = """
INSERT INTO atoll_bus_reception (id, problem, is_away, problem_at)
VALUES (1, %(text)s, %(is_away)s, statement_timestamp())
ON CONFLICT (id) DO UPDATE
SET problem = excluded.problem, is_away = excluded.is_away, problem_at = excluded.problem_at
"""
ASK = """
SELECT extract(epoch FROM statement_timestamp() - consumed_at)::float8, problem, is_away,
    extract(epoch FROM statement_timestamp() - problem_at)::float8
FROM atoll_bus_reception WHERE id = 1
"""


class NotReceiving(ServiceUnavailable):
    """The service's messages stay on the broker, and nobody is about to take them."""


@dataclass(frozen=True)
class State:
    """``well_s`` and ``ill_s``: how long ago a consumer said that all is well, or what is not."""

    well_s: float | None
    problem: str
    is_away: bool
    ill_s: float | None


def report(problem: Problem | None) -> None:
    """Write down how one consumer is doing. One of several that is well is enough."""
    with connection.cursor() as cursor:
        if problem is None:
            cursor.execute(WELL)
        else:
            cursor.execute(ILL, {"text": problem.text, "is_away": problem.is_away})


def state() -> State | None:
    """None before the first consumer. Leaves no connection behind that it opened itself."""
    with connection.temporary_connection() as cursor:
        cursor.execute(ASK)
        row = cursor.fetchone()
    return State(*row) if row else None


class Check:
    """For ``/health/ready``: raises NotReceiving when no consumer is there, or none that stays.

    Raises Degraded while a consumer is there and the broker is not: what is announced waits in the
    outbox, and requests are answered.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._state = TtlCache(state, ttl_s=ASKED_EVERY_S, clock=clock)

    def __call__(self) -> None:
        found = self._state()
        if found is None:
            return
        well_s = float("inf") if found.well_s is None else found.well_s
        ill_s = float("inf") if found.ill_s is None else found.ill_s
        if ill_s < min(well_s, SILENCE_S):
            raise (Degraded if found.is_away else NotReceiving)(found.problem)
        if well_s > SILENCE_S and self._clock() - self._began > SILENCE_S:
            seen = f"for {round(well_s)} s" if found.well_s is not None else "yet"
            raise NotReceiving(f"No worker of this service has received messages {seen}.")
