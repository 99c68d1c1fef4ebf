"""The deliveries' SQL: claim, outcome, timers, sweep.

A delivery is claimed by adding 1 to its attempts and moving ``next_attempt_at``
to the end of a lease. The attempt's number fences it: whoever was overtaken
after losing the lease finds another number and changes nothing. The clock is
the database's; tests pass their own as ``now``.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from atoll.bus import registry, sessions
from atoll.bus.inbox import HINT_GRACE_S
from atoll.ids import uuid7

# A lease outlasts the handler's own timeout by this much.
LEASE_MARGIN_S = 5.0
MAX_ERROR_CHARACTERS = 500
MAX_TRACEBACK_CHARACTERS = 20_000

# An attempt that was counted but lost with the server's power is counted again:
# cheaper than waiting for the disk before each run.
CLAIM = """
SET LOCAL synchronous_commit = off;
WITH due AS (
    SELECT delivery.id, COALESCE(known.timeout_s, %(default_timeout_s)s) + %(margin_s)s AS lease_s
    FROM atoll_bus_delivery AS delivery
    LEFT JOIN unnest(%(handlers)s::text[], %(timeouts_s)s::float8[]) AS known (handler, timeout_s)
        ON known.handler = delivery.handler
    WHERE delivery.id = %(id)s AND delivery.status IN ('pending', 'running')
      AND delivery.next_attempt_at <= COALESCE(%(now)s::timestamptz, statement_timestamp())
    FOR UPDATE OF delivery SKIP LOCKED
)
UPDATE atoll_bus_delivery AS delivery
SET status = 'running', attempts = delivery.attempts + 1,
    session = pg_backend_pid(), claimed_at = statement_timestamp(),
    next_attempt_at = COALESCE(%(now)s, statement_timestamp()) + make_interval(secs => due.lease_s),
    hint_at = COALESCE(%(now)s, statement_timestamp()) + make_interval(secs => due.lease_s)
FROM due, atoll_bus_inbox AS message
WHERE delivery.id = due.id AND message.id = delivery.message_id
RETURNING delivery.id, delivery.handler, delivery.attempts,
    message.message_id, message.kind, message.name,
    COALESCE(NULLIF(delivery.edited_body, ''), message.body), message.service_id,
    message.correlation_id, message.version, message.sent_at,
    EXTRACT(EPOCH FROM COALESCE(%(now)s, statement_timestamp()) - delivery.created_at)::float8
"""

# Taken as the first statement of the handler's transaction: it locks the row,
# checks the fence, and becomes true together with the handler's effects.
DONE = """
SET LOCAL statement_timeout = %(timeout_ms)s;
SET LOCAL idle_in_transaction_session_timeout = %(timeout_ms)s;
UPDATE atoll_bus_delivery
SET status = 'done', error = '', traceback = '', finished_at = statement_timestamp()
WHERE id = %(id)s AND status = 'running' AND attempts = %(attempt)s
"""

FINISH = """
UPDATE atoll_bus_delivery
SET status = %(status)s, error = %(error)s, traceback = %(traceback)s, finished_at = statement_timestamp()
WHERE id = %(id)s AND status = 'running' AND attempts = %(attempt)s
"""

RETRY = """
UPDATE atoll_bus_delivery
SET status = 'pending', error = %(error)s, traceback = %(traceback)s,
    next_attempt_at = COALESCE(%(now)s, statement_timestamp()) + %(wait)s,
    hint_at = COALESCE(%(now)s, statement_timestamp()) + %(wait)s, hints = 0
WHERE id = %(id)s AND status = 'running' AND attempts = %(attempt)s
"""

RELEASE = """
UPDATE atoll_bus_delivery
SET status = 'pending', attempts = attempts - 1,
    next_attempt_at = statement_timestamp(), hint_at = statement_timestamp(), hints = 0
WHERE id = %(id)s AND status = 'running' AND attempts = %(attempt)s
"""

# The attempt stays counted: it may be what ended the holder.
TAKE_BACK = f"""
UPDATE atoll_bus_delivery AS delivery
SET next_attempt_at = statement_timestamp(), hint_at = statement_timestamp(), hints = 0, session = NULL
WHERE delivery.status = 'running' AND {sessions.IS_GONE.format(row="delivery")}
"""  # noqa: S608

# Hints that stay unanswered are repeated after 10, 20, 40, ... at most 640 s, so
# that a backlog is not multiplied by its own reminders.
SWEEP = """
UPDATE atoll_bus_delivery AS delivery
SET hints = delivery.hints + 1,
    hint_at = COALESCE(%(now)s, statement_timestamp())
        + make_interval(secs => %(grace_s)s * 2 ^ LEAST(delivery.hints, 6))
WHERE delivery.id IN (
    SELECT id FROM atoll_bus_delivery
    WHERE status IN ('pending', 'running')
      AND hint_at <= COALESCE(%(now)s::timestamptz, statement_timestamp())
    ORDER BY hint_at LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
RETURNING delivery.id
"""

SCHEDULE = """
WITH message AS (
    INSERT INTO atoll_bus_inbox
        (dedupe_key, message_id, kind, name, body, service_id, correlation_id,
         version, key, sent_at, received_at)
    VALUES
        (%(dedupe_key)s, %(message_id)s, 'command', %(name)s, %(body)s, %(service_id)s, %(correlation_id)s,
         %(version)s, '', statement_timestamp(), statement_timestamp())
    RETURNING id
)
INSERT INTO atoll_bus_delivery
    (id, message_id, handler, status, attempts, next_attempt_at, hint_at, hints,
     token, error, traceback, created_at)
SELECT
    %(id)s, message.id, %(handler)s, 'pending', 0, statement_timestamp() + %(after)s,
    statement_timestamp() + %(after)s, 0, %(token)s, '', '', statement_timestamp() + %(after)s
FROM message
"""

CANCEL = """
UPDATE atoll_bus_delivery SET status = 'cancelled', finished_at = statement_timestamp()
WHERE token = %(token)s AND status IN ('pending', 'running')
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """One attempt of one delivery, ours until its lease ends."""

    id: UUID
    handler_id: str
    attempt: int
    message_id: str
    kind: str
    name: str
    body: str
    service_id: str
    correlation_id: str
    version: int
    sent_at: datetime
    age_s: float


def claim(delivery_id: UUID, now: datetime | None = None) -> Claim | None:
    """Begin an attempt; None when it is not due, not open, or somebody else's.

    Counted and committed before anything runs, so that a handler that takes its
    worker down with it cannot do so for ever.
    """
    handlers = registry.handlers()
    with connection.cursor() as cursor:
        cursor.execute(
            CLAIM,
            {
                "id": delivery_id,
                "now": now,
                "handlers": [handler.id for handler in handlers],
                "timeouts_s": [handler.timeout_s for handler in handlers],
                "default_timeout_s": registry.DEFAULT_TIMEOUT_S,
                "margin_s": LEASE_MARGIN_S,
            },
        )
        row = cursor.fetchone()
    return Claim(*row) if row else None


def mark_done(claim: Claim, timeout_s: float) -> bool:
    """Inside the handler's transaction: lock the delivery and settle it; False when it is no longer ours."""
    with connection.cursor() as cursor:
        cursor.execute(DONE, {"id": claim.id, "attempt": claim.attempt, "timeout_ms": int(timeout_s * 1000)})
        return bool(cursor.rowcount)


def finish(claim: Claim, status: str, error: str, traceback: str = "") -> bool:
    """Settle it as ignored or dead."""
    return _settle(FINISH, claim, status=status, error=error, traceback=traceback)


def retry_later(
    claim: Claim, wait: timedelta, error: str, traceback: str, now: datetime | None = None
) -> bool:
    return _settle(RETRY, claim, wait=wait, now=now, error=error, traceback=traceback)


def release(claim: Claim) -> bool:
    """Give an attempt back as if it had not begun."""
    return _settle(RELEASE, claim)


def take_back() -> int:
    """Make due what sessions held that are gone; how many attempts that were."""
    with connection.cursor() as cursor:
        cursor.execute(TAKE_BACK)
        return int(cursor.rowcount)


def sweep(limit: int, now: datetime | None = None) -> list[UUID]:
    """The deliveries whose hint is due: timers, retries, lost hints, lost leases."""
    with connection.cursor() as cursor:
        cursor.execute(SWEEP, {"limit": limit, "now": now, "grace_s": HINT_GRACE_S})
        return [row[0] for row in cursor.fetchall()]


def schedule(
    *,
    message_id: UUID,
    name: str,
    handler_id: str,
    body: str,
    service_id: str,
    correlation_id: str,
    version: int,
    after: timedelta,
    token: str,
) -> None:
    """Write a timer: a message that is in the inbox already, with a delivery due later."""
    row: dict[str, Any] = {
        "id": uuid7(),
        "dedupe_key": f"{service_id}/{message_id}",
        "message_id": str(message_id),
        "name": name,
        "handler": handler_id,
        "body": body,
        "service_id": service_id,
        "correlation_id": correlation_id,
        "version": version,
        "after": after,
        "token": token,
    }
    with connection.cursor() as cursor:
        cursor.execute(SCHEDULE, row)


def cancel(token: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(CANCEL, {"token": token})
        return int(cursor.rowcount)


def _settle(sql: str, claim: Claim, **values: Any) -> bool:
    values["error"] = _storable(values.get("error", ""), MAX_ERROR_CHARACTERS)
    values["traceback"] = _storable(values.get("traceback", ""), MAX_TRACEBACK_CHARACTERS)
    with connection.cursor() as cursor:
        cursor.execute(sql, {"id": claim.id, "attempt": claim.attempt, **values})
        return bool(cursor.rowcount)


def _storable(text: str, limit: int) -> str:
    """The end of a text, without what PostgreSQL cannot store."""
    return text[-limit:].replace("\x00", "").encode(errors="replace").decode()
