"""Deliveries that this worker, or every worker, has no code for.

No attempt is counted for them. While another worker has the code, their hints are repeated until one
reaches it. While no worker has the code, they are parked and cost nothing; the sweep wakes them when a
worker with the code has started.
"""

from datetime import datetime
from uuid import UUID

from django.db import connection

from atoll.bus.delivery import statements
from atoll.bus.handlers import known

AT_ONCE = 2000
# A hint that reached a worker without the code is repeated after SOON_S seconds while the delivery has been
# due for less than SOON_FOR_S. Later it is repeated after LATER_S, or after UNSURE_S while no worker has
# announced the code.
SOON_S = 1
SOON_FOR_S = 15
LATER_S = 5
UNSURE_S = 60


def park(runnable: list[str], now: datetime | None, for_s: float) -> None:
    """Park the due deliveries that neither this process nor another has code for, AT_ONCE at most."""
    with connection.cursor() as cursor:
        cursor.execute(
            statements.PARK_WITHOUT_CODE,
            {
                "runnable": runnable,
                "attended_s": known.ATTENDED_S,
                "now": now,
                "parked_s": for_s,
                "limit": AT_ONCE,
            },
        )


def wake(runnable: list[str]) -> None:
    """Make due the parked deliveries that a worker has code for by now, AT_ONCE at most."""
    with connection.cursor() as cursor:
        cursor.execute(
            statements.WAKE_WITH_CODE,
            {"runnable": runnable, "attended_s": known.ATTENDED_S, "limit": AT_ONCE},
        )


def pass_on(delivery_id: UUID) -> None:
    """Have the hint about a delivery repeated soon, when this process has no code for it and others may."""
    roster = known.reload_if_old()
    if not roster.has_handlers_of_others():
        return
    with connection.cursor() as cursor:
        cursor.execute(
            statements.REPEAT_HINT_SOON,
            {
                "id": delivery_id,
                "runnable": roster.runnable(),
                "attended_s": known.ATTENDED_S,
                "soon_for_s": SOON_FOR_S,
                "soon_s": SOON_S,
                "later_s": LATER_S,
                "unsure_s": UNSURE_S,
            },
        )


def set_aside(delivery_id: UUID, attempt: int, wait_s: float) -> None:
    """Give an attempt back uncounted. Another version of the service may make it after ``wait_s``."""
    with connection.cursor() as cursor:
        cursor.execute(statements.SET_ASIDE, {"id": delivery_id, "attempt": attempt, "wait_s": wait_s})
