"""Dead letters in groups: staff decide once for all deliveries that failed with one error.

A decision covers the failing deliveries of the group, too. A failing delivery waits for its next attempt.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

from atoll.bus.models import Delivery

# The groups cover this many of the newest dead letters. A decision about a group covers the whole group.
MAX_GROUPED = 100_000
MAX_GROUPS = 200
# The pace of a replayed group leaves room for new messages.
REPLAYED_PER_S = 200

GROUPS = """
SELECT handler, name, error_group, count(*), count(*) FILTER (WHERE lane <> ''),
    min(died_at), max(died_at), max(id::text)::uuid
FROM (
    SELECT id, handler, message_id, error_group, lane, COALESCE(finished_at, created_at) AS died_at
    FROM atoll_bus_delivery WHERE status = 'dead' ORDER BY created_at DESC LIMIT %(grouped)s
) AS dead
JOIN (SELECT id AS inbox_id, name FROM atoll_bus_inbox) AS message ON message.inbox_id = dead.message_id
GROUP BY handler, name, error_group
ORDER BY count(*) DESC, max(died_at) DESC
LIMIT %(shown)s
"""

_OF_THE_GROUP = """delivery.handler = %(handler)s AND delivery.error_group = %(error_group)s
      AND message.name = %(name)s"""
_WAITS = "delivery.status = 'pending' AND delivery.error <> '' AND delivery.attempts > 0"

MEMBERS = f"""
    SELECT delivery.id, delivery.created_at
    FROM atoll_bus_delivery AS delivery
    JOIN atoll_bus_inbox AS message ON message.id = delivery.message_id
    WHERE delivery.status = 'dead' AND {_OF_THE_GROUP}
      AND COALESCE(delivery.finished_at, delivery.created_at) <= %(until)s
    UNION ALL
    SELECT delivery.id, delivery.created_at
    FROM atoll_bus_delivery AS delivery
    JOIN atoll_bus_inbox AS message ON message.id = delivery.message_id
    WHERE {_WAITS} AND {_OF_THE_GROUP}
      AND COALESCE(delivery.first_failed_at, delivery.claimed_at) <= %(until)s
"""  # noqa: S608

# The UPDATE checks the status again: another person may have replayed or discarded a delivery meanwhile.
REPLAY = f"""
WITH chosen AS (
    SELECT id, statement_timestamp() + make_interval(
        secs => floor((row_number() OVER (ORDER BY created_at, id) - 1) / %(per_s)s)) AS at
    FROM ({MEMBERS}) AS members
)
UPDATE atoll_bus_delivery AS delivery
SET status = 'pending', attempts = 0, hints = 0, waits_for = '', finished_at = NULL, first_failed_at = NULL,
    next_attempt_at = chosen.at, hint_at = chosen.at, created_at = chosen.at
FROM chosen WHERE delivery.id = chosen.id AND (delivery.status = 'dead' OR {_WAITS})
"""  # noqa: S608

DISCARD = f"""
UPDATE atoll_bus_delivery AS delivery
SET status = 'discarded', error = %(error)s, finished_at = statement_timestamp()
FROM ({MEMBERS}) AS chosen WHERE delivery.id = chosen.id AND (delivery.status = 'dead' OR {_WAITS})
"""  # noqa: S608


@dataclass(frozen=True)
class FailureGroup:
    """Identifies the deliveries of one handler and one message name that failed with one error."""

    handler: str
    name: str
    error_group: str


@dataclass(frozen=True)
class DeadGroup:
    """A group of dead letters. ``in_lanes`` counts the dead letters that block a lane; ``sample`` is
    the newest dead letter."""

    group: FailureGroup
    count: int
    in_lanes: int
    first_at: datetime
    last_at: datetime
    sample: Delivery


def database_now() -> datetime:
    """Return the current time of the database's clock, which also sets ``finished_at``."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment


def groups(shown: int = MAX_GROUPS) -> list[DeadGroup]:
    """Return at most ``shown`` groups, the largest first."""
    with connection.cursor() as cursor:
        cursor.execute(GROUPS, {"grouped": MAX_GROUPED, "shown": shown})
        rows = cursor.fetchall()
    samples = without_bodies().in_bulk([row[-1] for row in rows])
    return [
        DeadGroup(
            FailureGroup(handler, name, error_group), count, in_lanes, first_at, last_at, samples[sample]
        )
        for handler, name, error_group, count, in_lanes, first_at, last_at, sample in rows
        if sample in samples
    ]


def replay_group(group: FailureGroup, until: datetime) -> int:
    """Replay the deliveries of a group that failed until ``until``, oldest first. Returns their number.

    Each delivery gets all its attempts again; REPLAYED_PER_S deliveries become due each second.
    One SQL statement changes the rows and loads none.
    """
    return _run(REPLAY, group, until, {"per_s": REPLAYED_PER_S})


def discard_group(group: FailureGroup, until: datetime, reason: str) -> int:
    """Discard the deliveries of a group that failed until ``until``. Returns their number.

    The deliveries behind them in their lanes can run again.
    """
    return _run(DISCARD, group, until, {"error": f"Discarded: {reason}"})


def count_group(group: FailureGroup, until: datetime) -> tuple[int, int]:
    """The numbers of dead and of failing deliveries."""
    members = _members(Delivery.objects.all(), group)
    dead = members.filter(status=Delivery.Status.DEAD, finished_at__lte=until)
    failing = members.filter(status=Delivery.Status.PENDING, first_failed_at__lte=until)
    return dead.count(), failing.count()


def newest(group: FailureGroup, limit: int) -> list[Delivery]:
    return list(_members(without_bodies(), group).order_by("-created_at")[:limit])


def _members(deliveries: QuerySet[Delivery], group: FailureGroup) -> QuerySet[Delivery]:
    waits = Q(status=Delivery.Status.PENDING, attempts__gt=0) & ~Q(error="")
    return deliveries.filter(
        Q(status=Delivery.Status.DEAD) | waits,
        handler=group.handler,
        error_group=group.error_group,
        message__name=group.name,
    )


def without_bodies() -> QuerySet[Delivery]:
    """Return deliveries with their messages, without loading the columns that can be large."""
    return Delivery.objects.select_related("message").defer("message__body", "edited_body", "traceback")


def _run(sql: str, group: FailureGroup, until: datetime, values: dict[str, Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            sql,
            {
                "handler": group.handler,
                "name": group.name,
                "error_group": group.error_group,
                "until": until,
                **values,
            },
        )
        return int(cursor.rowcount)
