"""Readiness to receive messages: consumers write it into one row, web processes read the row.

There is no row before the first worker of the service has run.
"""

from dataclasses import dataclass

from django.db import connection

from atoll.bus.inbox.consumer_status import Problem

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
