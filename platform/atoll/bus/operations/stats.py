"""Statistics of this service's bus, by queries that stay cheap on large tables.

The counts cover rows that are not settled. Partial indexes find these rows, and each
count stops at MAX_COUNTED. The ids (UUIDv7) contain a time, by which the queries find
recent rows.
"""

import time
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

MAX_COUNTED = 50_000
MAX_LANES = 20
RECENT_S = 60
NEWEST_ROWS = 1000
TIMEOUT_MS = 3000

OUTBOX = """
SELECT count(*), count(*) FILTER (WHERE attempts > 0),
    extract(epoch FROM statement_timestamp() - min(created_at))::float8,
    count(*) FILTER (WHERE attempts = 0 AND error <> '')
FROM (SELECT attempts, error, created_at FROM atoll_bus_outbox WHERE status = 'pending'
      ORDER BY id LIMIT %(counted)s) AS pending
"""

# Failing: the last attempt failed and no later attempt has succeeded. A replay resets the attempts.
# Only the first unsettled delivery of a lane may run. The deliveries behind it are not late.
DELIVERIES = """
WITH open AS MATERIALIZED (
    SELECT id, handler, lane, position, status, attempts, next_attempt_at, claimed_at, waits_for,
        error <> '' AND attempts > CASE WHEN status = 'running' THEN 1 ELSE 0 END AS is_failing
    FROM atoll_bus_delivery WHERE status IN ('pending', 'running') LIMIT %(counted)s
), judged AS MATERIALIZED (
    SELECT status, attempts, next_attempt_at, claimed_at, waits_for, is_failing,
        next_attempt_at > statement_timestamp() AS is_later,
        lane <> '' AND EXISTS (
            SELECT FROM atoll_bus_delivery AS earlier
            WHERE earlier.status IN ('pending', 'running', 'dead') AND earlier.lane <> ''
              AND earlier.handler = open.handler AND earlier.lane = open.lane
              AND (earlier.position, earlier.id) < (open.position, open.id)) AS is_behind
    FROM open
)
SELECT count(*),
    count(*) FILTER (WHERE status = 'running'),
    extract(epoch FROM statement_timestamp() - min(claimed_at) FILTER (WHERE status = 'running'))::float8,
    count(*) FILTER (WHERE status = 'pending' AND is_behind),
    count(*) FILTER (WHERE status = 'pending' AND NOT is_behind AND NOT is_later),
    extract(epoch FROM statement_timestamp() - min(next_attempt_at)
        FILTER (WHERE status = 'pending' AND NOT is_behind AND NOT is_later))::float8,
    count(*) FILTER (WHERE status = 'pending' AND NOT is_behind AND is_later AND attempts > 0),
    count(*) FILTER (WHERE status = 'pending' AND NOT is_behind AND is_later AND attempts = 0),
    count(*) FILTER (WHERE is_failing),
    count(*) FILTER (WHERE waits_for = 'code')
FROM judged
"""

FAILED = """
SELECT
    (SELECT count(*) FROM (SELECT FROM atoll_bus_delivery WHERE status = 'dead'
                           LIMIT %(counted)s) AS dead),
    (SELECT count(*) FROM (SELECT FROM atoll_bus_quarantine WHERE status = 'waiting'
                           LIMIT %(counted)s) AS waiting),
    (SELECT count(*) FROM (SELECT DISTINCT handler, lane FROM atoll_bus_delivery
                           WHERE status = 'dead' AND lane <> '' LIMIT %(counted)s) AS blocked),
    (SELECT extract(epoch FROM statement_timestamp() - consumed_at)::float8 FROM atoll_bus_reception)
"""

LANES = """
SELECT head.id, head.handler, head.lane, head.error, COALESCE(head.finished_at, head.created_at), (
    SELECT count(*) FROM (
        SELECT FROM atoll_bus_delivery AS later
        WHERE later.status IN ('pending', 'running', 'dead') AND later.lane <> ''
          AND later.handler = head.handler AND later.lane = head.lane
          AND (later.position, later.id) > (head.position, head.id)
        LIMIT %(counted)s) AS waiting)
FROM (
    SELECT DISTINCT ON (handler, lane) id, handler, lane, position, error, created_at, finished_at
    FROM atoll_bus_delivery WHERE status = 'dead' AND lane <> ''
    ORDER BY handler, lane, position, id
) AS head
ORDER BY COALESCE(head.finished_at, head.created_at) LIMIT %(lanes)s
"""

RECENT_ACTIVITY = """
SELECT announced.total, announced.published, announced.p95_ms,
    delivered.total, delivered.settled, delivered.failing, delivered.p50_ms, delivered.p95_ms
FROM (
    SELECT count(*) AS total, count(*) FILTER (WHERE status = 'published') AS published,
        percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM published_at - created_at) * 1000)
            AS p95_ms
    FROM (SELECT status, published_at, created_at FROM atoll_bus_outbox
          WHERE message_id >= %(since)s LIMIT %(counted)s) AS fresh
) AS announced, (
    SELECT count(*) AS total, count(*) FILTER (WHERE status IN ('done', 'ignored')) AS settled,
        count(*) FILTER (WHERE status <> 'done' AND error <> '') AS failing,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY took_ms) AS p50_ms,
        percentile_cont(0.95) WITHIN GROUP (ORDER BY took_ms) AS p95_ms
    FROM (SELECT status, error, CASE WHEN status = 'done' AND token = ''
              THEN extract(epoch FROM finished_at - created_at) * 1000 END AS took_ms
          FROM atoll_bus_delivery WHERE id >= %(since)s LIMIT %(counted)s) AS fresh
) AS delivered
"""

LAST_ACTIVITY = """
SELECT
    (SELECT max(published_at) FROM (SELECT published_at FROM atoll_bus_outbox
                                    ORDER BY id DESC LIMIT %(newest)s) AS newest),
    (SELECT max(received_at) FROM (SELECT received_at FROM atoll_bus_inbox
                                   ORDER BY id DESC LIMIT 1) AS newest),
    (SELECT max(finished_at) FROM (SELECT finished_at FROM atoll_bus_delivery
                                   ORDER BY id DESC LIMIT %(newest)s) AS newest)
"""


@dataclass(frozen=True)
class LedgerCounts:
    """Counts of rows that are not settled. A count of MAX_COUNTED means at least that many."""

    to_publish: int
    refused: int
    oldest_to_publish_s: float | None
    open: int
    running: int
    longest_running_s: float | None
    waiting_in_lane: int
    due: int
    oldest_due_s: float | None
    retrying: int
    scheduled: int
    failing: int
    dead: int
    quarantined: int
    blocked_lanes: int
    consumer_silent_s: float | None = None
    unroutable: int = 0
    unattended: int = 0


@dataclass(frozen=True)
class BlockedLane:
    """A lane with a dead first delivery, ``head``. ``waiting`` deliveries wait until staff replay or
    discard it."""

    head: UUID
    handler: str
    lane: str
    error: str
    since: datetime
    waiting: int


@dataclass(frozen=True)
class RecentActivity:
    """Messages and deliveries of the last RECENT_S seconds. Percentiles are None without measurements."""

    announced: int
    published: int
    publishing_p95_ms: float | None
    deliveries: int
    settled: int
    failing: int
    handling_p50_ms: float | None
    handling_p95_ms: float | None


@dataclass(frozen=True)
class LastActivity:
    """The latest publication, receipt and settlement among the newest rows; None without one."""

    published_at: datetime | None
    received_at: datetime | None
    settled_at: datetime | None


def ledger_counts() -> LedgerCounts:
    counted = {"counted": MAX_COUNTED}
    outbox, deliveries, failed = _rows((OUTBOX, counted), (DELIVERIES, counted), (FAILED, counted))
    *to_publish, unroutable = outbox[0]
    *opened, unattended = deliveries[0]
    counts = LedgerCounts(*to_publish, *opened, *failed[0])
    return replace(counts, unroutable=unroutable, unattended=unattended)


def blocked_lanes(limit: int = MAX_LANES) -> list[BlockedLane]:
    """Return at most ``limit`` blocked lanes, the longest blocked first."""
    [rows] = _rows((LANES, {"counted": MAX_COUNTED, "lanes": limit}))
    return [BlockedLane(*row) for row in rows]


def recent_activity(now_s: float | None = None) -> RecentActivity:
    since = UUID(int=int(((now_s or time.time()) - RECENT_S) * 1000) << 80)
    [rows] = _rows((RECENT_ACTIVITY, {"since": since, "counted": MAX_COUNTED}))
    return RecentActivity(*rows[0])


def last_activity() -> LastActivity:
    [rows] = _rows((LAST_ACTIVITY, {"newest": NEWEST_ROWS}))
    return LastActivity(*rows[0])


def _rows(*queries: tuple[str, dict[str, Any]]) -> list[list[tuple[Any, ...]]]:
    """Return the rows of each query. Raises OperationalError after TIMEOUT_MS, to bound the load."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {TIMEOUT_MS}")
        answers = []
        for sql, parameters in queries:
            cursor.execute(sql, parameters)
            answers.append(cursor.fetchall())
        cursor.execute("SET LOCAL statement_timeout = DEFAULT")
        return answers
