"""The SQL of timers. A timer is a message that is in the inbox already, with a delivery that is due later."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from atoll.ids import uuid7

SCHEDULE = """
WITH message AS (
    INSERT INTO atoll_bus_inbox
        (dedupe_key, message_id, kind, name, body, service_id, correlation_id, traceparent,
         version, key, sent_at, received_at)
    VALUES
        (%(dedupe_key)s, %(message_id)s, 'command', %(name)s, %(body)s, %(service_id)s, %(correlation_id)s,
         %(traceparent)s, %(version)s, '', statement_timestamp(), statement_timestamp())
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

# A timer that fires at this moment has its row locked, and may itself wait for a lock of the caller: to
# wait for the timer would be a deadlock. So it is skipped, and its handler goes on.
CANCEL = """
UPDATE atoll_bus_delivery SET status = 'cancelled', finished_at = statement_timestamp()
WHERE id IN (
    SELECT id FROM atoll_bus_delivery
    WHERE token = %(token)s AND status IN ('pending', 'running')
    FOR UPDATE SKIP LOCKED
)
"""


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
    traceparent: str = "",
) -> None:
    """Write a timer in the caller's transaction, due ``after`` from now; ``token`` is for ``cancel``."""
    row: dict[str, Any] = {
        "id": uuid7(),
        "dedupe_key": f"{service_id}/{message_id}",
        "message_id": str(message_id),
        "name": name,
        "handler": handler_id,
        "body": body,
        "service_id": service_id,
        "correlation_id": correlation_id,
        "traceparent": traceparent,
        "version": version,
        "after": after,
        "token": token,
    }
    with connection.cursor() as cursor:
        cursor.execute(SCHEDULE, row)


def cancel(token: str) -> int:
    """Cancel the timers of that token; how many. A timer that fires at this moment is not cancelled."""
    with connection.cursor() as cursor:
        cursor.execute(CANCEL, {"token": token})
        return int(cursor.rowcount)
