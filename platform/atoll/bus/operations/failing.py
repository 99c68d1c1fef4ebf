"""Handlers that fail now: deliveries whose last attempt failed and that still have attempts left.

They are told by cause from their first failure on, so that a person sees a fault while its
messages can still be saved without a replay; what succeeds is gone from here.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Q, QuerySet

from atoll.bus.handlers import registry
from atoll.bus.models import Delivery
from atoll.bus.operations.dead_letters import Group, without_bodies
from atoll.bus.operations.stats import COUNTED, IS_FAILING

GROUPS_SHOWN = 200

# The ids are times: the first and the last one by them.
GROUPS = f"""
SELECT handler, name, error_group, count(*), min(failed_at), max(claimed_at), min(attempts), max(attempts),
    min(next_attempt_at), max(id::text)::uuid
FROM (
    SELECT id, handler, message_id, error_group, attempts, claimed_at, next_attempt_at,
        COALESCE(first_failed_at, claimed_at, created_at) AS failed_at
    FROM atoll_bus_delivery WHERE status IN ('pending', 'running') AND {IS_FAILING} LIMIT %(counted)s
) AS failing
JOIN (SELECT id AS inbox_id, name FROM atoll_bus_inbox) AS message ON message.inbox_id = failing.message_id
GROUP BY handler, name, error_group
ORDER BY max(attempts) DESC, count(*) DESC
LIMIT %(shown)s
"""  # noqa: S608


@dataclass(frozen=True)
class Failing:
    """Deliveries that fail for one cause: how many, since when, when one was last attempted, the fewest
    and the most attempts that one of them has had, when the next one follows, and the newest of them."""

    group: Group
    count: int
    first_at: datetime
    last_at: datetime | None
    fewest_attempts: int
    most_attempts: int
    next_at: datetime
    sample: Delivery

    @property
    def attempts_left(self) -> int | None:
        """How many attempts the one nearest to its death has left; None for a handler that is not here."""
        handler = registry.by_id(self.group.handler)
        return None if handler is None else max(handler.retry.attempts - self.most_attempts, 0)


def open_failures() -> QuerySet[Delivery]:
    """The deliveries that fail now; the same as overview.IS_FAILING."""
    return (
        Delivery.objects.filter(
            Q(status=Delivery.Status.PENDING, attempts__gt=0)
            | Q(status=Delivery.Status.RUNNING, attempts__gt=1)
        )
        .exclude(error="")
        .order_by()
    )


def groups(shown: int = GROUPS_SHOWN) -> list[Failing]:
    """Those nearest to their death first."""
    with connection.cursor() as cursor:
        cursor.execute(GROUPS, {"counted": COUNTED, "shown": shown})
        rows = cursor.fetchall()
    samples = without_bodies().in_bulk([row[-1] for row in rows])
    return [
        Failing(
            Group(handler, name, error_group),
            count,
            first_at,
            last_at,
            fewest,
            most,
            next_at,
            samples[sample],
        )
        for handler, name, error_group, count, first_at, last_at, fewest, most, next_at, sample in rows
        if sample in samples
    ]
