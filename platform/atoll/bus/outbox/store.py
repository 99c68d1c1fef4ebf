"""The SQL of the outbox: adding a row, claiming rows, and recording their outcomes.

Rows are found by status, never by "id greater than the last one": a row gets its id before its commit, so
a cursor would skip rows that commit late. The clock is the database's.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from atoll.bus.broker.messages import Outgoing

CHANNEL = "atoll_outbox"
LEASE_S = 30
# How long a message counts as new while older ones wait.
NEW_S = 5.0

# Relays claim one after the other: a claim that skips the locked rows of another relay could otherwise take
# a later message of the same key.
CLAIM_LOCK = 0x61746F6C6C  # "atoll"

ADD = """
INSERT INTO atoll_bus_outbox
    (message_id, kind, name, destination, key, body, correlation_id,
     status, attempts, error, next_attempt_at, created_at)
VALUES
    (%(message_id)s, %(kind)s, %(name)s, %(destination)s, '', %(body)s, %(correlation_id)s,
     'pending', 0, '', statement_timestamp(), statement_timestamp())
"""

# The row lock on the key's counter makes the writers of one key wait for each other, so that within a key
# the order of ids is the order of commits. A counter begins at the clock's milliseconds: after an unused
# counter was deleted, or the whole database, the numbers go on above all that the receivers have seen.
ADD_KEYED = """
WITH counter AS (
    INSERT INTO atoll_bus_keysequence (key, last, used_at)
    VALUES (%(key)s, (EXTRACT(EPOCH FROM statement_timestamp()) * 1000)::bigint, statement_timestamp())
    ON CONFLICT (key) DO UPDATE SET last = atoll_bus_keysequence.last + 1, used_at = excluded.used_at
    RETURNING last
)
INSERT INTO atoll_bus_outbox
    (message_id, kind, name, destination, key, key_sequence, body, correlation_id,
     status, attempts, error, next_attempt_at, created_at)
SELECT
    %(message_id)s, %(kind)s, %(name)s, %(destination)s, %(key)s, counter.last, %(body)s, %(correlation_id)s,
    'pending', 0, '', statement_timestamp(), statement_timestamp()
FROM counter
"""

CLAIM = """
SELECT pg_advisory_xact_lock(%(lock)s);
WITH due AS (
    SELECT id FROM atoll_bus_outbox AS candidate
    WHERE status = 'pending' AND next_attempt_at <= statement_timestamp()
      AND (key = '' OR NOT EXISTS (
          SELECT FROM atoll_bus_outbox AS earlier
          WHERE earlier.status = 'pending' AND earlier.key <> '' AND earlier.key = candidate.key
            AND earlier.id < candidate.id AND earlier.next_attempt_at > statement_timestamp()))
    ORDER BY id LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE atoll_bus_outbox AS row
    SET next_attempt_at = statement_timestamp() + make_interval(secs => %(lease_s)s),
        session = pg_backend_pid(), claimed_at = statement_timestamp()
    FROM due WHERE row.id = due.id
    RETURNING row.id, row.message_id, row.kind, row.name, row.destination, row.key, row.key_sequence,
              row.body, row.correlation_id, row.created_at
)
SELECT * FROM claimed ORDER BY id
"""

# The newest messages, although older ones wait. The messages of a key keep their order: CLAIM takes those
# that have a predecessor.
CLAIM_NEW = """
SELECT pg_advisory_xact_lock(%(lock)s);
WITH newest AS (
    SELECT id FROM atoll_bus_outbox WHERE status = 'pending' ORDER BY id DESC LIMIT %(limit)s
), due AS (
    SELECT candidate.id FROM atoll_bus_outbox AS candidate JOIN newest USING (id)
    WHERE candidate.status = 'pending' AND candidate.next_attempt_at <= statement_timestamp()
      AND candidate.created_at > statement_timestamp() - make_interval(secs => %(new_s)s)
      AND (candidate.key = '' OR NOT EXISTS (
          SELECT FROM atoll_bus_outbox AS earlier
          WHERE earlier.status = 'pending' AND earlier.key <> '' AND earlier.key = candidate.key
            AND earlier.id < candidate.id))
    FOR UPDATE OF candidate SKIP LOCKED
), claimed AS (
    UPDATE atoll_bus_outbox AS row
    SET next_attempt_at = statement_timestamp() + make_interval(secs => %(lease_s)s),
        session = pg_backend_pid(), claimed_at = statement_timestamp()
    FROM due WHERE row.id = due.id
    RETURNING row.id, row.message_id, row.kind, row.name, row.destination, row.key, row.key_sequence,
              row.body, row.correlation_id, row.created_at
)
SELECT * FROM claimed ORDER BY id
"""

PUBLISHED = """
UPDATE atoll_bus_outbox
SET status = 'published', published_at = statement_timestamp(), error = ''
WHERE id = ANY(%(ids)s) AND status = 'pending'
"""

RELEASE = """
UPDATE atoll_bus_outbox SET next_attempt_at = statement_timestamp(), session = NULL
WHERE id = ANY(%(ids)s) AND status = 'pending'
"""

# claim_owner.py says when a session is gone.
TAKE_BACK = """
UPDATE atoll_bus_outbox AS row SET next_attempt_at = statement_timestamp(), session = NULL
WHERE row.status = 'pending' AND row.session IS NOT NULL AND NOT EXISTS (
    SELECT FROM pg_stat_get_activity(row.session) AS holder
    WHERE COALESCE(holder.backend_start <= row.claimed_at, TRUE))
"""

# 1 s, 2 s, 4 s, ... at most 30 s between attempts.
REFUSED = """
UPDATE atoll_bus_outbox
SET attempts = attempts + 1, error = %(error)s, session = NULL,
    next_attempt_at = statement_timestamp() + make_interval(secs => LEAST(30, 2 ^ LEAST(attempts, 5)))
WHERE id = %(id)s AND status = 'pending'
"""


# The longer the message has waited, the rarer the attempts: 1 to 30 s apart. They are not counted, since
# nothing is wrong with the message.
UNROUTABLE = """
UPDATE atoll_bus_outbox
SET error = %(error)s, session = NULL, next_attempt_at = statement_timestamp() + make_interval(secs =>
    LEAST(30, GREATEST(1, EXTRACT(EPOCH FROM statement_timestamp() - created_at)::float8 / 4)))
WHERE id = ANY(%(ids)s) AND status = 'pending'
"""


def add(
    *, message_id: UUID, kind: str, name: str, destination: str, key: str, body: str, correlation_id: str
) -> None:
    """Write a row and wake the relays when the transaction commits."""
    with connection.cursor() as cursor:
        cursor.execute(
            ADD_KEYED if key else ADD,
            {
                "message_id": message_id,
                "kind": kind,
                "name": name,
                "destination": destination,
                "key": key,
                "body": body,
                "correlation_id": correlation_id,
            },
        )
    wake_relays()


def wake_relays() -> None:
    """Notify the relays after the commit, once per transaction.

    A NOTIFY inside the transaction would hold a lock of the whole server while the commit waits for the
    disk, so that all publishing transactions would commit one by one. If the process ends between commit
    and NOTIFY, the relays' poll finds the row.
    """
    if not any(_notify in waiting for waiting in connection.run_on_commit):
        transaction.on_commit(_notify, robust=True)


def _notify() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"NOTIFY {CHANNEL}")


def claim(limit: int) -> list[Outgoing]:
    """Claim up to ``limit`` due rows for LEASE_S seconds, oldest first.

    Takes a row with a key only when its predecessors are published or in the same claim.
    """
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"lock": CLAIM_LOCK, "limit": limit, "lease_s": LEASE_S})
        return [Outgoing(*row) for row in cursor.fetchall()]


def claim_new(limit: int) -> list[Outgoing]:
    """Claim for LEASE_S seconds the due rows among the newest ``limit``, if they are younger than NEW_S."""
    with connection.cursor() as cursor:
        cursor.execute(CLAIM_NEW, {"lock": CLAIM_LOCK, "limit": limit, "lease_s": LEASE_S, "new_s": NEW_S})
        return [Outgoing(*row) for row in cursor.fetchall()]


def mark_published(ids: Sequence[int]) -> None:
    if ids:
        _run(PUBLISHED, {"ids": list(ids)})


def release(ids: Sequence[int]) -> None:
    """Give claimed rows back at once. It costs them no attempt."""
    if ids:
        _run(RELEASE, {"ids": list(ids)})


def take_back() -> int:
    """Make the claims of ended database sessions due; how many rows those were."""
    with connection.cursor() as cursor:
        cursor.execute(TAKE_BACK)
        return int(cursor.rowcount)


def mark_refused(row_id: int, error: str) -> None:
    """Keep a message that the broker refused, show the error to staff, and try again later."""
    _run(REFUSED, {"id": row_id, "error": error})


def mark_unroutable(reasons: Mapping[int, str]) -> None:
    """Keep messages that a known receiver would miss, show staff why, and try again soon.

    It costs them no attempt.
    """
    for reason in set(reasons.values()):
        ids = [row_id for row_id, given in reasons.items() if given == reason]
        _run(UNROUTABLE, {"ids": ids, "error": reason})


def _run(sql: str, parameters: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
