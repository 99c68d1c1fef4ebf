"""Readiness to receive messages: consumers write it into one row, web processes read the row.

There is no row before the first worker of the service has run.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from django.db import connection
from health_check.exceptions import ServiceUnavailable

from atoll.bus.inbox.consumer_status import Problem
from atoll.bus.ttl_cache import TtlCache
from atoll.health.checks import Degraded

# Consumers report every few seconds; past this without a report, none is there. A web process that has
# just started waits as long for the workers, which start after it.
SILENCE_S = 60.0
READ_EVERY_S = 2.0

REPORT_HEALTHY = """
INSERT INTO atoll_bus_reception (id, consumed_at) VALUES (1, statement_timestamp())
ON CONFLICT (id) DO UPDATE SET consumed_at = excluded.consumed_at
"""
REPORT_PROBLEM = """
INSERT INTO atoll_bus_reception (id, problem, is_away, problem_at)
VALUES (1, %(text)s, %(is_away)s, statement_timestamp())
ON CONFLICT (id) DO UPDATE
SET problem = excluded.problem, is_away = excluded.is_away, problem_at = excluded.problem_at
"""
READ = """
SELECT extract(epoch FROM statement_timestamp() - consumed_at)::float8, problem, is_away,
    extract(epoch FROM statement_timestamp() - problem_at)::float8
FROM atoll_bus_reception WHERE id = 1
"""


class NotReceiving(ServiceUnavailable):
    """The service's messages stay on the broker, and no consumer takes them."""


@dataclass(frozen=True)
class State:
    """The row. Both ages are the seconds since the last report of a healthy consumer, or of a problem."""

    healthy_age_s: float | None
    problem: str
    is_away: bool
    problem_age_s: float | None


def report(problem: Problem | None) -> None:
    """Write the state of one consumer. Of several consumers, one without a problem is enough."""
    with connection.cursor() as cursor:
        if problem is None:
            cursor.execute(REPORT_HEALTHY)
        else:
            cursor.execute(REPORT_PROBLEM, {"text": problem.text, "is_away": problem.is_away})


def state() -> State | None:
    """None before the first consumer. Closes the database connection if it opened it."""
    with connection.temporary_connection() as cursor:
        cursor.execute(READ)
        row = cursor.fetchone()
    return State(*row) if row else None


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
