"""The table of deliveries: claims, outcomes, leases and the sweep. ``statements`` has the SQL.

A claim adds 1 to a delivery's attempts and moves its ``next_attempt_at`` to the end of a lease. The
number of the attempt is the fence: a worker that has lost the lease finds another number and changes
nothing. Within the handler's transaction the lock on the row holds the claim and the lease counts for
nothing, since claims and sweeps skip locked rows. The clock is the database's; tests pass their own
time as ``now``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection

from atoll.bus.delivery import statements, unattended
from atoll.bus.handlers import known
from atoll.bus.inbox.store import HINT_GRACE_S, LEASE_S
from atoll.postgresql import driver
from atoll.postgresql.prepared import Prepared

MAX_ERROR_CHARACTERS = 500
MAX_TRACEBACK_CHARACTERS = 20_000
# The sweep looks at a parked delivery once a day. Another step wakes it as soon as it can run.
PARKED_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Claim:
    """One attempt of one delivery. It belongs to this process until its lease ends."""

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
    traceparent: str = ""


def claim(delivery_id: UUID, now: datetime | None = None) -> Claim | None:
    """Begin an attempt.

    None when the delivery is settled or not due, has not its turn, or is claimed by another worker. The
    attempt is counted and committed before anything runs, so that a handler that ends its process
    cannot do so for ever.
    """
    has_ordered = known.roster().has_ordered
    wanted = {"id": delivery_id, "now": now, "has_ordered": has_ordered}
    found = claim_with(statements.CLAIM_UNORDERED, wanted)
    return claim_with(statements.CLAIM_IN_LANE, wanted) if found is None and has_ordered else found


def claim_next(ended: Claim, now: datetime | None = None) -> Claim | None:
    """Begin an attempt of the next delivery in a lane; None when there is none, or it has to wait."""
    wanted = {"handler": ended.handler_id, "lane": ended.lane, "now": now}
    return claim_with(statements.CLAIM_NEXT_IN_LANE, wanted)


def claim_longest_due() -> Claim | None:
    """Begin an attempt of the delivery that has been due longest and that no other worker looks at.

    A delivery in a lane is claimed only when no other delivery is due.
    """
    claim = claim_with(statements.CLAIM_LONGEST_DUE, {"now": None})
    if claim is None and known.roster().has_ordered:
        claim = claim_with(statements.CLAIM_LONGEST_DUE_IN_LANE, {"now": None})
    return claim


def first_in_lane(of: Claim) -> UUID | None:
    """The first open or dead delivery in the lane of a claim, as of now."""
    with connection.cursor() as cursor:
        cursor.execute(statements.FIRST_IN_LANE, {"handler": of.handler_id, "lane": of.lane})
        row = cursor.fetchone()
    return row[0] if row else None


def mark_done(claim: Claim, timeout_s: float) -> bool:
    """Lock the delivery and settle it, inside the handler's transaction.

    False when the claim was lost.
    """
    values = {"id": claim.id, "attempt": claim.attempt, "timeout_ms": int(timeout_s * 1000)}
    with connection.cursor() as cursor:
        statements.DONE.execute(cursor, values, first=statements.TIMEOUTS)
        return bool(cursor.rowcount)


def finish(claim: Claim, status: str, error: str, traceback: str = "", group: str = "") -> bool:
    """Settle the delivery as ignored, discarded or dead. A dead one keeps the rest of its lane waiting."""
    return _settle(statements.FINISH, claim, status=status, error=error, traceback=traceback, group=group)


def retry_later(
    claim: Claim, wait: timedelta, error: str, traceback: str, now: datetime | None = None, group: str = ""
) -> bool:
    return _settle(statements.RETRY, claim, wait=wait, now=now, error=error, traceback=traceback, group=group)


def renew(attempts: Sequence[tuple[UUID, int]]) -> None:
    """Let the leases of these attempts, by delivery and number, begin anew.

    Skips locked rows: their handlers' transactions hold them.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            statements.RENEW,
            {
                "ids": [delivery_id for delivery_id, _ in attempts],
                "attempts": [attempt for _, attempt in attempts],
                "lease_s": LEASE_S,
            },
        )


def adopt(attempts: Mapping[UUID, int]) -> None:
    """Make this session the owner of attempts, by delivery and number, that an ended session claimed.

    Skips locked rows: their handlers' transactions hold them.
    """
    with connection.cursor() as cursor:
        cursor.execute(statements.ADOPT, {"ids": [*attempts], "attempts": [*attempts.values()]})


def take_back() -> int:
    """Make the claims of ended database sessions due; how many attempts those were."""
    with connection.cursor() as cursor:
        cursor.execute(statements.TAKE_BACK)
        return int(cursor.rowcount)


def sweep(limit: int, now: datetime | None = None, *, runs_handlers: bool = True) -> list[UUID]:
    """At most ``limit`` deliveries that need a hint: timers, retries, lost hints, lost leases.

    Parks those that wait for their turn in a lane, and those that no worker has code for.
    ``runs_handlers`` is False in ``PROJECT bus``: then only workers have code.
    """
    runnable = known.roster().runnable() if runs_handlers else []
    values: dict[str, Any] = {
        "now": now,
        "grace_s": HINT_GRACE_S,
        "parked_s": PARKED_S,
        "runnable": runnable,
        "attended_s": known.ATTENDED_S,
    }
    due: list[UUID] = []
    unattended.wake(runnable)
    with connection.cursor() as cursor:
        looked_at = wanted = limit
        while looked_at == wanted and len(due) < limit:
            wanted = limit - len(due)
            cursor.execute(statements.SWEEP, values | {"limit": wanted})
            rows = cursor.fetchall()
            looked_at = len(rows)
            due.extend(delivery_id for delivery_id, waits_for in rows if not waits_for)
            if any(waits_for == "code" for _, waits_for in rows):
                unattended.park(runnable, now, PARKED_S)
    return due


def claim_with(statement: str | Prepared, parameters: dict[str, Any]) -> Claim | None:
    """Begin an attempt by one of the statements whose names begin with CLAIM."""
    values = parameters | {"lease_s": LEASE_S, "runnable": known.reload_if_old().runnable()}
    try:
        with connection.cursor() as cursor:
            if isinstance(statement, Prepared):
                statement.execute(cursor, values, first=statements.DO_NOT_WAIT_FOR_DISK)
            else:
                cursor.execute(statement, values)
                driver.to_last_result(cursor)
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
    """The end of a text, without the characters that PostgreSQL cannot store."""
    return text[-limit:].replace("\x00", "").encode(errors="replace").decode()
