"""The causes of the present failures: failing deliveries and dead letters, by handler, message and cause.

The ledger has the failures of all processes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from atoll.bus.handlers import registry
from atoll.bus.operations.dead_letters import FailureGroup

# So many failing deliveries, and so many of the newest dead letters, are counted.
MAX_COUNTED = 10_000
MAX_CAUSES = 50
# So many messages of a cause are followed to what depends on them.
MAX_FOLLOWED = 200
MAX_LANES = 200
TIMEOUT_MS = 3000

# The inner groups have one number of attempts each, because the time of death follows from it. The attempt
# of a running delivery is still open.
CAUSES = """
WITH wrong AS MATERIALIZED (
    (SELECT id, handler, message_id, error_group, lane, FALSE AS is_dead, created_at,
        CASE WHEN status = 'running' THEN attempts - 1 ELSE attempts END AS attempts,
        CASE WHEN status = 'running' THEN claimed_at ELSE next_attempt_at END AS next_at,
        COALESCE(first_failed_at, claimed_at, created_at) AS first_at, claimed_at AS last_at
    FROM atoll_bus_delivery
    WHERE status IN ('pending', 'running') AND error <> ''
      AND attempts > CASE WHEN status = 'running' THEN 1 ELSE 0 END
    LIMIT %(counted)s)
    UNION ALL
    (SELECT id, handler, message_id, error_group, lane, TRUE, created_at, attempts, NULL::timestamptz,
        COALESCE(first_failed_at, claimed_at, created_at), COALESCE(finished_at, created_at)
    FROM atoll_bus_delivery WHERE status = 'dead' ORDER BY created_at DESC LIMIT %(counted)s)
), alike AS (
    SELECT handler, name, error_group, is_dead, attempts, count(*) AS count, min(next_at) AS next_at,
        min(created_at) AS created_at, min(first_at) AS first_at, max(last_at) AS last_at,
        max(wrong.id::text) AS newest, array_agg(message_id) AS messages,
        array_agg(DISTINCT lane) FILTER (WHERE lane <> '') AS lanes
    FROM wrong
    JOIN (SELECT id, name FROM atoll_bus_inbox) AS message ON message.id = wrong.message_id
    GROUP BY handler, name, error_group, is_dead, attempts
)
SELECT handler, name, error_group,
    sum(count) FILTER (WHERE NOT is_dead)::int, sum(count) FILTER (WHERE is_dead)::int,
    min(first_at), max(last_at), min(next_at), max(newest)::uuid,
    array_agg(attempts ORDER BY attempts) FILTER (WHERE NOT is_dead),
    array_agg(next_at ORDER BY attempts) FILTER (WHERE NOT is_dead),
    array_agg(created_at ORDER BY attempts) FILTER (WHERE NOT is_dead),
    jsonb_agg(to_jsonb(messages[1:%(followed)s])), jsonb_agg(to_jsonb(lanes[1:%(lanes)s]))
FROM alike GROUP BY handler, name, error_group
ORDER BY max(last_at) DESC, handler, name, error_group
LIMIT %(shown)s
"""

# The first open delivery of a lane is the one that failed; the others wait for it.
BEHIND = """
SELECT count(*) - count(DISTINCT lane) FROM (
    SELECT lane FROM atoll_bus_delivery
    WHERE handler = %(handler)s AND lane = ANY(%(lanes)s) AND lane <> ''
      AND status IN ('pending', 'running', 'dead')
    LIMIT %(counted)s) AS waiting
"""

FOLLOWED = "SELECT id, correlation_id, key FROM atoll_bus_inbox WHERE id = ANY(%(ids)s)"


@dataclass(frozen=True, kw_only=True)
class Cause:
    """The messages that fail for one cause. A count of MAX_COUNTED means at least that many.

    ``behind`` deliveries wait in the lanes of these. ``next_at`` is the next attempt. At ``dead_at`` the
    first of them is dead if all attempts fail; None without the handler's code. ``sample`` is the newest
    delivery. ``correlation_ids`` and ``keys`` are those of at most MAX_FOLLOWED messages.
    """

    group: FailureGroup
    failing: int
    dead: int
    behind: int
    first_at: datetime
    last_at: datetime | None
    next_at: datetime | None
    dead_at: datetime | None
    sample: UUID
    correlation_ids: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()

    @property
    def is_cut(self) -> bool:
        """Whether not all of its messages are followed."""
        return self.failing + self.dead > MAX_FOLLOWED


@dataclass(frozen=True)
class Causes:
    """At most ``shown`` causes, the one with the latest failure first. ``as_of`` is the database's time."""

    as_of: datetime
    causes: list[Cause]
    is_cut: bool


def now_failing(shown: int = MAX_CAUSES) -> Causes:
    """Raises OperationalError after TIMEOUT_MS, to bound the load."""
    asked = {"counted": MAX_COUNTED, "shown": shown + 1, "followed": MAX_FOLLOWED, "lanes": MAX_LANES}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {TIMEOUT_MS}")
        cursor.execute("SELECT statement_timestamp()")
        [(as_of,)] = cursor.fetchall()
        cursor.execute(CAUSES, asked)
        rows = cursor.fetchall()
        followed = _followed(cursor, rows[:shown])
        causes = [_cause(cursor, row, followed) for row in rows[:shown]]
        cursor.execute("SET LOCAL statement_timeout = DEFAULT")
    return Causes(as_of, causes, len(rows) > shown)


def _followed(cursor: Any, rows: Sequence[Sequence[Any]]) -> dict[int, tuple[str, str]]:
    """The correlation id and the key of each followed message."""
    ids = sorted({one for row in rows for one in _flat(row[-2])[:MAX_FOLLOWED]})
    if not ids:
        return {}
    cursor.execute(FOLLOWED, {"ids": ids})
    return {found: (correlation_id, key) for found, correlation_id, key in cursor.fetchall()}


def _cause(cursor: Any, row: Sequence[Any], followed: dict[int, tuple[str, str]]) -> Cause:
    handler, name, error_group, failing, dead, first_at, last_at, next_at, sample, *rest = row
    attempts, next_times, created, messages, lanes = rest
    known = [followed[one] for one in _flat(messages)[:MAX_FOLLOWED] if one in followed]
    return Cause(
        group=FailureGroup(handler, name, error_group),
        failing=failing or 0,
        dead=dead or 0,
        behind=_behind(cursor, handler, _flat(lanes)[:MAX_LANES]),
        first_at=first_at,
        last_at=last_at,
        next_at=next_at,
        dead_at=_dead_at(handler, attempts or (), next_times or (), created or ()),
        sample=sample,
        correlation_ids=tuple(dict.fromkeys(one for one, _ in known if one)),
        keys=tuple(dict.fromkeys(key for _, key in known if key)),
    )


def _behind(cursor: Any, handler: str, lanes: list[str]) -> int:
    if not lanes:
        return 0
    cursor.execute(BEHIND, {"handler": handler, "lanes": lanes, "counted": MAX_COUNTED})
    [(count,)] = cursor.fetchall()
    return int(count)


def _dead_at(
    handler: str, attempts: Sequence[int], next_times: Sequence[datetime], created: Sequence[datetime]
) -> datetime | None:
    found = registry.by_id(handler)
    if found is None:
        return None
    times = (
        found.retry.dead_at(made, next_at, since)
        for made, next_at, since in zip(attempts, next_times, created, strict=True)
    )
    return min(times, default=None)


def _flat(lists: str) -> list[Any]:
    """The members of a JSON array of arrays, each of which may be null."""
    return [one for each in json.loads(lists) for one in each or ()]
