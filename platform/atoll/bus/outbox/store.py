"""The SQL of the outbox: adding a row, finding rows that are due, and recording their outcomes.

Rows are found by status, never by "id greater than the last one": a row gets its id before its commit, so
a cursor would skip rows that commit late. The clock is the database's.

One relay of a service reads and marks (``holder.py``), so that no row is claimed. A relay of the version
before claims rows for 30 seconds by their ``next_attempt_at``: until then they are not due here.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import connection

from atoll.bus.broker.messages import Outgoing
from atoll.bus.outbox import wakeup
from atoll.postgresql.prepared import Prepared

# The age up to which a message counts as new while older ones wait.
NEW_S = 1.0

MESSAGE = {
    "message_id": "uuid",
    "kind": "text",
    "name": "text",
    "destination": "text",
    "body": "text",
    "correlation_id": "text",
    "traceparent": "text",
}

ADD = Prepared(
    "atoll_add",
    """
INSERT INTO atoll_bus_outbox
    (message_id, kind, name, destination, key, body, correlation_id, traceparent,
     status, attempts, error, next_attempt_at, created_at)
VALUES
    (%(message_id)s, %(kind)s, %(name)s, %(destination)s, '', %(body)s, %(correlation_id)s, %(traceparent)s,
     'pending', 0, '', statement_timestamp(), statement_timestamp())
""",
    **MESSAGE,
)

# The row lock on the key's counter makes the writers of one key wait for each other, so that within a key
# the order of ids is the order of commits. A counter begins at the clock's milliseconds: after an unused
# counter was deleted, or the whole database, the numbers go on above all that the receivers have seen.
ADD_KEYED = Prepared(
    "atoll_add_keyed",
    """
WITH counter AS (
    INSERT INTO atoll_bus_keysequence (key, last, used_at)
    VALUES (%(key)s, floor(EXTRACT(EPOCH FROM statement_timestamp()) * 1000)::bigint, statement_timestamp())
    ON CONFLICT (key) DO UPDATE SET last = atoll_bus_keysequence.last + 1, used_at = excluded.used_at
    RETURNING last
)
INSERT INTO atoll_bus_outbox
    (message_id, kind, name, destination, key, key_sequence, body, correlation_id, traceparent,
     status, attempts, error, next_attempt_at, created_at)
SELECT
    %(message_id)s, %(kind)s, %(name)s, %(destination)s, %(key)s, counter.last, %(body)s, %(correlation_id)s,
    %(traceparent)s, 'pending', 0, '', statement_timestamp(), statement_timestamp()
FROM counter
""",
    **MESSAGE,
    key="text",
)

# The columns are those of Outgoing.
DUE = Prepared(
    "atoll_due",
    """
SELECT id, message_id, kind, name, destination, key, key_sequence, body, correlation_id, created_at,
    traceparent
FROM atoll_bus_outbox AS candidate
WHERE status = 'pending' AND next_attempt_at <= statement_timestamp()
  AND (key = '' OR NOT EXISTS (
      SELECT FROM atoll_bus_outbox AS earlier
      WHERE earlier.status = 'pending' AND earlier.key <> '' AND earlier.key = candidate.key
        AND earlier.id < candidate.id AND earlier.next_attempt_at > statement_timestamp()))
ORDER BY id LIMIT %(limit)s
""",
    limit="integer",
)

# A message with a key goes only if all earlier ones of its key that wait go with it.
NEW = Prepared(
    "atoll_new",
    """
WITH newest AS MATERIALIZED (
    SELECT *, created_at > statement_timestamp() - make_interval(secs => %(new_s)s)
        AND next_attempt_at <= statement_timestamp() AS may_go
    FROM atoll_bus_outbox WHERE status = 'pending' ORDER BY id DESC LIMIT %(limit)s
)
SELECT id, message_id, kind, name, destination, key, key_sequence, body, correlation_id, created_at,
    traceparent
FROM newest AS candidate
WHERE may_go AND (key = '' OR NOT EXISTS (
    SELECT FROM atoll_bus_outbox AS earlier
    WHERE earlier.status = 'pending' AND earlier.key <> '' AND earlier.key = candidate.key
      AND earlier.id < candidate.id AND earlier.id NOT IN (SELECT id FROM newest WHERE may_go)))
ORDER BY id
""",
    limit="integer",
    new_s="double precision",
)

PUBLISHED = Prepared(
    "atoll_published",
    """
UPDATE atoll_bus_outbox
SET status = 'published', published_at = statement_timestamp(), error = ''
WHERE id = ANY(%(ids)s) AND status = 'pending'
""",
    ids="bigint[]",
)

# 1 s, 2 s, 4 s, ... at most 30 s between attempts.
REFUSED = """
UPDATE atoll_bus_outbox
SET attempts = attempts + 1, error = given.error,
    next_attempt_at = statement_timestamp() + make_interval(secs => LEAST(30, 2 ^ LEAST(attempts, 5)))
FROM unnest(%(ids)s::bigint[], %(errors)s::text[]) AS given (row_id, error)
WHERE id = given.row_id AND status = 'pending'
"""

# The longer the message has waited, the rarer the attempts: 1 to 30 s apart. They are not counted, since
# nothing is wrong with the message.
UNROUTABLE = """
UPDATE atoll_bus_outbox
SET error = given.error, next_attempt_at = statement_timestamp() + make_interval(secs =>
    LEAST(30, GREATEST(1, EXTRACT(EPOCH FROM statement_timestamp() - created_at)::float8 / 4)))
FROM unnest(%(ids)s::bigint[], %(errors)s::text[]) AS given (row_id, error)
WHERE id = given.row_id AND status = 'pending'
"""


def add(
    *,
    message_id: UUID,
    kind: str,
    name: str,
    destination: str,
    key: str,
    body: str,
    correlation_id: str,
    traceparent: str = "",
) -> None:
    """Write a row and wake the relay when the transaction commits."""
    with connection.cursor() as cursor:
        (ADD_KEYED if key else ADD).execute(
            cursor,
            {
                "message_id": message_id,
                "kind": kind,
                "name": name,
                "destination": destination,
                "key": key,
                "body": body,
                "correlation_id": correlation_id,
                "traceparent": traceparent,
            },
        )
    wakeup.after_commit()


def due(limit: int) -> list[Outgoing]:
    """Up to ``limit`` due rows, oldest first.

    A row with a key is due when its predecessors are published or in the same list.
    """
    return _read(DUE, {"limit": limit})


def new(limit: int) -> list[Outgoing]:
    """The due rows among the newest ``limit`` that are younger than NEW_S, in the order of their ids."""
    return _read(NEW, {"limit": limit, "new_s": NEW_S})


def mark_published(ids: Sequence[int]) -> None:
    if ids:
        with connection.cursor() as cursor:
            PUBLISHED.execute(cursor, {"ids": list(ids)})


def mark_refused(reasons: Mapping[int, str]) -> None:
    """Keep messages that the broker refused, show staff the reasons, and try again later."""
    _keep(REFUSED, reasons)


def mark_unroutable(reasons: Mapping[int, str]) -> None:
    """Keep messages that a known receiver would miss, show staff why, and try again soon.

    It costs them no attempt.
    """
    _keep(UNROUTABLE, reasons)


def _read(query: Prepared, parameters: dict[str, Any]) -> list[Outgoing]:
    with connection.cursor() as cursor:
        query.execute(cursor, parameters)
        return [Outgoing._make(row) for row in cursor.fetchall()]


def _keep(sql: str, reasons: Mapping[int, str]) -> None:
    if reasons:
        with connection.cursor() as cursor:
            cursor.execute(sql, {"ids": list(reasons), "errors": list(reasons.values())})
