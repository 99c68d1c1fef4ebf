"""The lanes' SQL beside the claim: who goes on when one of a lane has ended.

A lane is the messages of one key from one producer, for one ordered handler. Its
order is kept by the claim (deliveries.py); what is here only saves time.
docs/decisions/0030 says why it is built so.
"""

from collections.abc import Sequence
from uuid import UUID

from django.db import connection

from atoll.bus.deliveries import Claim
from atoll.bus.inbox import HINT_GRACE_S

# Should the worker end before it has gone on to the next one in the lane, a hint does.
HINT_NEXT = """
UPDATE atoll_bus_delivery
SET hints = 0, hint_at = GREATEST(next_attempt_at, statement_timestamp() + make_interval(secs => %(grace_s)s))
WHERE id = (
    SELECT next.id FROM atoll_bus_delivery AS next
    WHERE next.handler = %(handler)s AND next.lane = %(lane)s AND next.lane <> ''
      AND next.status = 'pending' AND (next.position, next.id) > (%(position)s, %(id)s)
    ORDER BY next.position, next.id LIMIT 1
    FOR UPDATE SKIP LOCKED)
"""

GO_ON = """
UPDATE atoll_bus_delivery SET hints = 0, hint_at = statement_timestamp()
WHERE id IN (
    SELECT head.id
    FROM (SELECT DISTINCT handler, lane FROM atoll_bus_delivery
          WHERE id = ANY(%(ids)s) AND lane <> '') AS freed,
    LATERAL (
        SELECT id FROM atoll_bus_delivery AS open
        WHERE open.handler = freed.handler AND open.lane = freed.lane AND open.lane <> ''
          AND open.status IN ('pending', 'running', 'dead')
        ORDER BY open.position, open.id LIMIT 1) AS head)
  AND status = 'pending' AND next_attempt_at <= statement_timestamp()
"""


def hint_next(claim: Claim) -> None:
    """With the end of this one: have the sweep send a hint about the next, unless it has begun by then."""
    with connection.cursor() as cursor:
        cursor.execute(
            HINT_NEXT,
            {
                "id": claim.id,
                "handler": claim.handler_id,
                "lane": claim.lane,
                "position": claim.position,
                "grace_s": HINT_GRACE_S,
            },
        )


def go_on(ids: Sequence[UUID]) -> None:
    """After these were given up: have the lanes they held up move on with the next sweep."""
    with connection.cursor() as cursor:
        cursor.execute(GO_ON, {"ids": list(ids)})
