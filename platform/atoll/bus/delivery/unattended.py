"""Deliveries that this worker, or every worker, has no code for.

Nobody counts an attempt for them. While some other worker has the code, their hints are repeated
until they reach it. While none has, they lie still, marked, and cost nothing; the sweep wakes
them when a worker with the code has started.
"""

from datetime import datetime
from uuid import UUID

from django.db import connection

from atoll.bus.handlers import known

# In the column ``hints``.
MARK = -2
AT_ONCE = 2000
# A hint that reached a worker without the code is repeated so soon, so many times, and then less
# often: much less where no worker has said yet that it has the code.
SOON_S = 1
SOON_TIMES = 10
LATER_S = 5
UNSURE_S = 60

# A backlog that nobody can run must not be looked at row by row.
PARK = f"""
UPDATE atoll_bus_delivery
SET hints = {MARK},
    hint_at = COALESCE(%(now)s::timestamptz, statement_timestamp()) + make_interval(secs => %(parked_s)s)
WHERE id IN (
    SELECT id FROM atoll_bus_delivery
    WHERE status IN ('pending', 'running')
      AND hint_at <= COALESCE(%(now)s::timestamptz, statement_timestamp())
      AND handler <> ALL(%(runnable)s) AND handler IN ({known.ABANDONED})
    ORDER BY hint_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
"""  # noqa: S608

WAKE = f"""
UPDATE atoll_bus_delivery SET hints = 0, hint_at = statement_timestamp()
WHERE id IN (
    SELECT id FROM atoll_bus_delivery
    WHERE status IN ('pending', 'running') AND hints = {MARK}
      AND (handler = ANY(%(runnable)s) OR handler IN ({known.ATTENDED}))
    LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
"""  # noqa: S608

REPEAT_SOON = f"""
UPDATE atoll_bus_delivery
SET hint_at = LEAST(hint_at, statement_timestamp() + make_interval(secs => CASE
    WHEN hints < {SOON_TIMES} THEN {SOON_S}
    WHEN handler IN ({known.ATTENDED}) THEN {LATER_S} ELSE {UNSURE_S} END))
WHERE id = (
    SELECT id FROM atoll_bus_delivery
    WHERE id = %(id)s AND status IN ('pending', 'running') AND handler <> ALL(%(runnable)s)
      AND hints >= 0 AND next_attempt_at <= statement_timestamp()
    FOR UPDATE SKIP LOCKED)
"""  # noqa: S608

SET_ASIDE = """
UPDATE atoll_bus_delivery
SET status = 'pending', attempts = attempts - 1,
    next_attempt_at = statement_timestamp() + make_interval(secs => %(wait_s)s),
    hint_at = statement_timestamp() + make_interval(secs => %(wait_s)s)
WHERE id = %(id)s AND status = 'running' AND attempts = %(attempt)s
"""


def park(runnable: list[str], now: datetime | None, for_s: float) -> None:
    """Mark what is due and what neither this process nor another has code for."""
    with connection.cursor() as cursor:
        cursor.execute(PARK, {"runnable": runnable, "now": now, "parked_s": for_s, "limit": AT_ONCE})


def wake(runnable: list[str]) -> None:
    """Make due what was parked and has a worker by now, AT_ONCE at most."""
    with connection.cursor() as cursor:
        cursor.execute(WAKE, {"runnable": runnable, "limit": AT_ONCE})


def pass_on(delivery_id: UUID) -> None:
    """Have the hint about it repeated soon, when this process has no code for it and others may."""
    roster = known.reload_if_old()
    if not roster.has_strangers():
        return
    with connection.cursor() as cursor:
        cursor.execute(REPEAT_SOON, {"id": delivery_id, "runnable": roster.runnable()})


def set_aside(delivery_id: UUID, attempt: int, wait_s: float) -> None:
    """Give an attempt back as if it had not begun, for another version to make it after ``wait_s``."""
    with connection.cursor() as cursor:
        cursor.execute(SET_ASIDE, {"id": delivery_id, "attempt": attempt, "wait_s": wait_s})
