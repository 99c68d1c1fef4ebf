"""Failing deliveries: the last attempt failed, and further attempts follow.

A delivery is listed from its first failure until it succeeds or becomes a dead letter. So
staff can correct the cause before the deliveries need a replay.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Q, QuerySet

from atoll.bus.handlers import registry
from atoll.bus.models import Delivery
from atoll.bus.operations.dead_letters import FailureGroup, without_bodies
from atoll.bus.operations.stats import MAX_COUNTED

MAX_GROUPS = 200

# The ids are UUIDv7 and sort by time, so the largest id belongs to the newest delivery.
GROUPS = """
SELECT handler, name, error_group, count(*), min(failed_at), max(claimed_at), min(attempts), max(attempts),
    min(next_attempt_at), max(id::text)::uuid
FROM (
    SELECT id, handler, message_id, error_group, attempts, claimed_at, next_attempt_at,
        COALESCE(first_failed_at, claimed_at, created_at) AS failed_at
    FROM atoll_bus_delivery
    WHERE status IN ('pending', 'running')
      AND error <> '' AND attempts > CASE WHEN status = 'running' THEN 1 ELSE 0 END
    LIMIT %(counted)s
) AS failing
JOIN (SELECT id AS inbox_id, name FROM atoll_bus_inbox) AS message ON message.inbox_id = failing.message_id
GROUP BY handler, name, error_group
ORDER BY max(attempts) DESC, count(*) DESC
LIMIT %(shown)s
"""


@dataclass(frozen=True)
class FailingGroup:
    """A group of failing deliveries. ``last_at`` is the start of the latest attempt, ``next_at`` the time
    of the next attempt; ``sample`` is the newest delivery."""

    group: FailureGroup
    count: int
    first_at: datetime
    last_at: datetime | None
    fewest_attempts: int
    most_attempts: int
    next_at: datetime
    sample: Delivery

    @property
    def attempts_left(self) -> int | None:
        """The attempts left of the delivery that has the fewest left; None without the handler's code."""
        handler = registry.by_id(self.group.handler)
        return None if handler is None else max(handler.retry.attempts - self.most_attempts, 0)


def queryset() -> QuerySet[Delivery]:
    """Return the failing deliveries: the same condition as in GROUPS and in ``stats.DELIVERIES``."""
    return (
        Delivery.objects.filter(
            Q(status=Delivery.Status.PENDING, attempts__gt=0)
            | Q(status=Delivery.Status.RUNNING, attempts__gt=1)
        )
        .exclude(error="")
        .order_by()
    )


def groups(shown: int = MAX_GROUPS) -> list[FailingGroup]:
    """Return at most ``shown`` groups, those with the most attempts first."""
    with connection.cursor() as cursor:
        cursor.execute(GROUPS, {"counted": MAX_COUNTED, "shown": shown})
        rows = cursor.fetchall()
    samples = without_bodies().in_bulk([row[-1] for row in rows])
    return [
        FailingGroup(
            FailureGroup(handler, name, error_group),
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
