"""The deliveries' SQL: claim, outcome, sweep.

A delivery is claimed by adding 1 to its attempts and moving ``next_attempt_at``
to the end of a lease. The attempt's number fences it: whoever was overtaken
after losing the lease finds another number and changes nothing. Within the
handler's transaction the lock on the row holds it, and the lease counts for
nothing: claims and sweeps skip what is locked. The clock is the database's;
tests pass their own as ``now``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection

from atoll.bus import claim_owner
from atoll.bus.delivery import unattended
from atoll.bus.delivery.lanes import IN_TURN, ITS_HEAD, NEXT
from atoll.bus.handlers import known
from atoll.bus.inbox.store import HINT_GRACE_S

# Renewed while a handler's ``before`` runs (lease_renewal.py).
LEASE_S = 30.0
MAX_ERROR_CHARACTERS = 500
MAX_TRACEBACK_CHARACTERS = 20_000
# What waits for its lane is looked at by the sweep once a day: lanes.py finds it when its turn comes.
PARKED_S = 86_400.0

# An attempt that was counted but lost with the server's power is counted again:
# cheaper than waiting for the disk before each run.
CLAIM = """
SET LOCAL synchronous_commit = off;
WITH due AS (
    SELECT delivery.id, delivery.created_at, {is_behind} AS is_behind
    FROM atoll_bus_delivery AS delivery
    WHERE delivery.id = {which} AND delivery.status IN ('pending', 'running')
      AND delivery.next_attempt_at <= COALESCE(%(now)s::timestamptz, statement_timestamp())
      AND delivery.handler = ANY(%(runnable)s)
      AND {may_run}
    FOR UPDATE SKIP LOCKED
)
UPDATE atoll_bus_delivery AS delivery
SET status = 'running', attempts = delivery.attempts + 1,
    session = pg_backend_pid(), claimed_at = statement_timestamp(),
    next_attempt_at = COALESCE(%(now)s, statement_timestamp()) + make_interval(secs => %(lease_s)s),
    hint_at = COALESCE(%(now)s, statement_timestamp()) + make_interval(secs => %(lease_s)s),
    created_at = {created_at}
FROM due, atoll_bus_inbox AS message
WHERE delivery.id = due.id AND message.id = delivery.message_id
RETURNING delivery.id, delivery.handler, delivery.attempts,
    message.message_id, message.kind, message.name,
    COALESCE(NULLIF(delivery.edited_body, ''), message.body), message.service_id,
    message.correlation_id, message.version, message.sent_at,
    EXTRACT(EPOCH FROM COALESCE(%(now)s, statement_timestamp()) - delivery.created_at)::float8,
    delivery.lane, delivery.position, due.is_behind AND due.created_at = message.received_at
"""

CLAIM_FREE = CLAIM.format(
    which="%(id)s",
    # A lane that is left from a handler that was ordered once; another version may have made it so since.
    may_run="""(delivery.lane = '' OR NOT %(has_ordered)s AND NOT EXISTS (
        SELECT FROM atoll_bus_knownhandler WHERE ordered AND retired_at IS NULL))""",
    is_behind="FALSE",
    created_at="delivery.created_at",
)

CLAIM_IN_TURN = CLAIM.format(which="%(id)s", **IN_TURN)
CLAIM_NEXT = CLAIM.format(which=NEXT, **IN_TURN)

# Taken as the first statement of the handler's transaction: it locks the row,
# checks the fence, and becomes true together with the handler's effects.
DONE = """
SET LOCAL statement_timeout = %(timeout_ms)s;
SET LOCAL idle_in_transaction_session_timeout = %(timeout_ms)s;
UPDATE atoll_bus_delivery
SET status = 'done', error = '', error_group = '', traceback = '', finished_at = statement_timestamp()
WHERE id = %(id)s AND status = 'running' AND attempts = %(attempt)s
"""

FINISH = """
UPDATE atoll_bus_delivery
SET status = %(status)s, error = %(error)s, error_group = %(group)s, traceback = %(traceback)s,
    finished_at = statement_timestamp()
WHERE id = %(id)s AND status = 'running' AND attempts = %(attempt)s
"""

RETRY = """
UPDATE atoll_bus_delivery
SET status = 'pending', error = %(error)s, error_group = %(group)s, traceback = %(traceback)s,
    first_failed_at = COALESCE(first_failed_at, statement_timestamp()),
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
UPDATE atoll_bus_delivery
SET next_attempt_at = statement_timestamp(), hint_at = statement_timestamp(), hints = 0, session = NULL
WHERE id IN (
    SELECT delivery.id FROM atoll_bus_delivery AS delivery
    WHERE delivery.status = 'running' AND {claim_owner.IS_GONE.format(row="delivery")}
    FOR UPDATE SKIP LOCKED)
"""  # noqa: S608

RENEW = """
UPDATE atoll_bus_delivery
SET next_attempt_at = statement_timestamp() + make_interval(secs => %(lease_s)s),
    hint_at = statement_timestamp() + make_interval(secs => %(lease_s)s)
WHERE id IN (
    SELECT delivery.id FROM atoll_bus_delivery AS delivery
    JOIN unnest(%(ids)s::uuid[], %(attempts)s::int[]) AS held (id, attempts)
        ON held.id = delivery.id AND held.attempts = delivery.attempts
    WHERE delivery.status = 'running'
    FOR UPDATE OF delivery SKIP LOCKED)
"""

# Hints that stay unanswered are repeated after 10, 20, 40, ... at most 640 s, so
# that a backlog is not multiplied by its own reminders. What waits for its lane gets none
# and is marked as parked, by -1; what no worker has code for, by -2.
SWEEP = f"""
WITH due AS (
    SELECT delivery.id, CASE
        WHEN delivery.handler <> ALL(%(runnable)s) AND delivery.handler IN ({known.ABANDONED})
        THEN {unattended.MARK}
        WHEN delivery.lane <> '' AND delivery.id <> {ITS_HEAD} THEN -1 END AS parked
    FROM atoll_bus_delivery AS delivery
    WHERE delivery.status IN ('pending', 'running')
      AND delivery.hint_at <= COALESCE(%(now)s::timestamptz, statement_timestamp())
    ORDER BY delivery.hint_at LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
UPDATE atoll_bus_delivery AS delivery
SET hints = COALESCE(due.parked, GREATEST(delivery.hints + 1, 0)),
    hint_at = COALESCE(%(now)s, statement_timestamp()) + make_interval(secs => CASE
        WHEN due.parked IS NOT NULL THEN %(parked_s)s
        ELSE %(grace_s)s * 2 ^ LEAST(delivery.hints, 6) END)
FROM due WHERE delivery.id = due.id
RETURNING delivery.id, due.parked
"""  # noqa: S608


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
    lane: str
    position: int | None
    is_late: bool


def claim(delivery_id: UUID, now: datetime | None = None) -> Claim | None:
    """Begin an attempt; None when it is not due, not open, not its turn, or somebody else's.

    Counted and committed before anything runs, so that a handler that takes its
    worker down with it cannot do so for ever.
    """
    has_ordered = known.roster().has_ordered
    wanted = {"id": delivery_id, "now": now, "has_ordered": has_ordered}
    found = claim_with(CLAIM_FREE, wanted)
    return claim_with(CLAIM_IN_TURN, wanted) if found is None and has_ordered else found


def claim_next(ended: Claim, now: datetime | None = None) -> Claim | None:
    """Begin an attempt of the next one in a lane; None when there is none, or it has to wait."""
    return claim_with(CLAIM_NEXT, {"handler": ended.handler_id, "lane": ended.lane, "now": now})


def next_in(lane_of: Claim) -> UUID | None:
    """What stands first in a lane by now."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {NEXT}", {"handler": lane_of.handler_id, "lane": lane_of.lane})
        found: UUID | None = cursor.fetchone()[0]
    return found


def mark_done(claim: Claim, timeout_s: float) -> bool:
    """Inside the handler's transaction: lock the delivery and settle it; False when it is no longer ours."""
    return _settle(DONE, claim, timeout_ms=int(timeout_s * 1000))


def finish(claim: Claim, status: str, error: str, traceback: str = "", group: str = "") -> bool:
    """Settle it as ignored or dead; a dead one keeps those behind it in its lane waiting."""
    return _settle(FINISH, claim, status=status, error=error, traceback=traceback, group=group)


def retry_later(
    claim: Claim, wait: timedelta, error: str, traceback: str, now: datetime | None = None, group: str = ""
) -> bool:
    return _settle(RETRY, claim, wait=wait, now=now, error=error, traceback=traceback, group=group)


def release(claim: Claim) -> bool:
    """Give an attempt back as if it had not begun."""
    return _settle(RELEASE, claim)


def renew(attempts: Sequence[tuple[UUID, int]]) -> None:
    """Let the leases of these attempts, by delivery and number, begin anew.

    Waits for none: what is locked is in its handler's transaction.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            RENEW,
            {
                "ids": [delivery_id for delivery_id, _ in attempts],
                "attempts": [attempt for _, attempt in attempts],
                "lease_s": LEASE_S,
            },
        )


def take_back() -> int:
    """Make due what sessions held that are gone; how many attempts that were."""
    with connection.cursor() as cursor:
        cursor.execute(TAKE_BACK)
        return int(cursor.rowcount)


def sweep(limit: int, now: datetime | None = None, *, attends: bool = True) -> list[UUID]:
    """The deliveries whose hint is due: timers, retries, lost hints, lost leases.

    What waits for its lane is parked and left out, and so is what no worker has code for.
    ``attends``: this process runs handlers itself.
    """
    due: list[UUID] = []
    values: dict[str, Any] = {
        "now": now,
        "grace_s": HINT_GRACE_S,
        "parked_s": PARKED_S,
        "runnable": known.roster().runnable() if attends else [],
    }
    runnable = values["runnable"]
    unattended.wake(runnable)
    with connection.cursor() as cursor:
        looked_at = wanted = limit
        while looked_at == wanted and len(due) < limit:
            wanted = limit - len(due)
            cursor.execute(SWEEP, values | {"limit": wanted})
            rows = cursor.fetchall()
            looked_at = len(rows)
            due.extend(delivery_id for delivery_id, parked in rows if parked is None)
            if any(parked == unattended.MARK for _, parked in rows):
                unattended.park(runnable, now, PARKED_S)
    return due


def claim_with(sql: str, parameters: dict[str, Any]) -> Claim | None:
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                sql, parameters | {"lease_s": LEASE_S, "runnable": known.reload_if_old().runnable()}
            )
            row = cursor.fetchone()
    except IntegrityError:
        # delivery_one_per_lane: another one of the lane was claimed at the same moment.
        return None
    return Claim(*row) if row else None


def _settle(sql: str, claim: Claim, **values: Any) -> bool:
    values["error"] = _storable(values.get("error", ""), MAX_ERROR_CHARACTERS)
    values["traceback"] = _storable(values.get("traceback", ""), MAX_TRACEBACK_CHARACTERS)
    values["group"] = _storable(values.get("group", ""), MAX_ERROR_CHARACTERS)
    with connection.cursor() as cursor:
        cursor.execute(sql, {"id": claim.id, "attempt": claim.attempt, **values})
        return bool(cursor.rowcount)


def _storable(text: str, limit: int) -> str:
    """The end of a text, without what PostgreSQL cannot store."""
    return text[-limit:].replace("\x00", "").encode(errors="replace").decode()
