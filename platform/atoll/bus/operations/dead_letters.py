"""Dead letters by what they died of: one look and one decision for all that failed alike."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from atoll.bus.models import Delivery

# Of more dead letters than this the newest are grouped; a decision about a group reaches all of it.
GROUPED = 100_000
GROUPS_SHOWN = 200
# A replayed group starts at this pace, so that what arrives meanwhile need not queue behind it.
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

MEMBERS = """
    SELECT delivery.id, delivery.created_at
    FROM atoll_bus_delivery AS delivery
    JOIN atoll_bus_inbox AS message ON message.id = delivery.message_id
    WHERE delivery.status = 'dead' AND delivery.handler = %(handler)s
      AND delivery.error_group = %(error_group)s AND message.name = %(name)s
      AND COALESCE(delivery.finished_at, delivery.created_at) <= %(until)s
"""

# The status is looked at again where it is changed: somebody may have decided meanwhile.
REPLAY = f"""
WITH chosen AS (
    SELECT id, statement_timestamp() + make_interval(
        secs => floor((row_number() OVER (ORDER BY created_at, id) - 1) / %(per_s)s)) AS at
    FROM ({MEMBERS}) AS members
)
UPDATE atoll_bus_delivery AS delivery
SET status = 'pending', attempts = 0, hints = 0, finished_at = NULL, first_failed_at = NULL,
    next_attempt_at = chosen.at, hint_at = chosen.at, created_at = chosen.at
FROM chosen WHERE delivery.id = chosen.id AND delivery.status = 'dead'
"""  # noqa: S608

DISCARD = f"""
UPDATE atoll_bus_delivery AS delivery
SET status = 'discarded', error = %(error)s, finished_at = statement_timestamp()
FROM ({MEMBERS}) AS chosen WHERE delivery.id = chosen.id AND delivery.status = 'dead'
"""  # noqa: S608


@dataclass(frozen=True)
class Group:
    """Dead deliveries of one handler and message name that failed alike."""

    handler: str
    name: str
    error_group: str


@dataclass(frozen=True)
class Found:
    """A group, how large it is, how many of it stand in lanes (which they block), when the first
    and the last died, and the newest of it."""

    group: Group
    count: int
    in_lanes: int
    first_at: datetime
    last_at: datetime
    sample: Delivery


def as_of() -> datetime:
    """Now, by the clock that says when something died."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment


def groups(shown: int = GROUPS_SHOWN) -> list[Found]:
    """The largest groups first."""
    with connection.cursor() as cursor:
        cursor.execute(GROUPS, {"grouped": GROUPED, "shown": shown})
        rows = cursor.fetchall()
    samples = without_bodies().in_bulk([row[-1] for row in rows])
    return [
        Found(Group(handler, name, error_group), count, in_lanes, first_at, last_at, samples[sample])
        for handler, name, error_group, count, in_lanes, first_at, last_at, sample in rows
        if sample in samples
    ]


def replay_group(group: Group, until: datetime) -> int:
    """Give all of it that died by then its attempts again, the longest dead first, REPLAYED_PER_S
    each second; how many. One statement: nothing is loaded, however many there are."""
    return _run(REPLAY, group, until, {"per_s": REPLAYED_PER_S})


def discard_group(group: Group, until: datetime, reason: str) -> int:
    """Give up on all of it that died by then; how many. What waited behind them goes on."""
    return _run(DISCARD, group, until, {"error": f"Discarded: {reason}"})


def count_group(group: Group, until: datetime) -> int:
    return Delivery.objects.filter(
        status=Delivery.Status.DEAD,
        handler=group.handler,
        error_group=group.error_group,
        message__name=group.name,
        finished_at__lte=until,
    ).count()


def newest(group: Group, limit: int) -> list[Delivery]:
    return list(
        without_bodies()
        .filter(
            status=Delivery.Status.DEAD,
            handler=group.handler,
            error_group=group.error_group,
            message__name=group.name,
        )
        .order_by("-created_at")[:limit]
    )


def without_bodies() -> QuerySet[Delivery]:
    """Deliveries and their messages, but for the texts that may be large."""
    return Delivery.objects.select_related("message").defer("message__body", "edited_body", "traceback")


def _run(sql: str, group: Group, until: datetime, values: dict[str, Any]) -> int:
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
