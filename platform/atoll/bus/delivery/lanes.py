"""Lanes: the messages of one key from one producer, for one ordered handler.

Their order is kept by the claim (deliveries.py), and whoever ends one goes on with
the next. What waits gets no hints; this finds the lanes that nobody goes on with,
because their last worker was killed or somebody gave up what they waited for.
docs/decisions/0030 says why it is built so.
"""

from django.db import connection

HEADS_AT_ONCE = 500

# The first of a lane. An ORDER BY that one index serves, and no EXISTS with a comparison:
# planners read whole tables for those, expecting to find an example soon.
HEAD = """(
    SELECT head.id FROM atoll_bus_delivery AS head
    WHERE head.handler = {handler} AND head.lane = {lane} AND head.lane <> ''
      AND head.status IN ('pending', 'running', 'dead')
    ORDER BY head.position, head.id LIMIT 1)"""
ITS_HEAD = HEAD.format(handler="delivery.handler", lane="delivery.lane")
NEXT = HEAD.format(handler="%(handler)s", lane="%(lane)s")

# Its turn has come when nothing before it is open or dead, and nothing else is running.
# It is late when one behind it took effect already, unless it was attempted or replayed
# before: both set ``created_at``, from which ``Retry.max_age_s`` counts.
IN_TURN = {
    "may_run": f"""delivery.lane <> '' AND delivery.id = {ITS_HEAD}
      AND NOT EXISTS (
        SELECT FROM atoll_bus_delivery AS other
        WHERE other.handler = delivery.handler AND other.lane = delivery.lane AND other.lane <> ''
          AND other.status = 'running' AND other.id <> delivery.id)""",
    "is_behind": """COALESCE((
        SELECT max(later.position) FROM atoll_bus_delivery AS later
        WHERE later.handler = delivery.handler AND later.lane = delivery.lane AND later.lane <> ''
          AND later.status IN ('done', 'ignored')), delivery.position) > delivery.position""",
    "created_at": """CASE
        WHEN delivery.attempts > 0 OR due.is_behind AND due.created_at = message.received_at
        THEN delivery.created_at ELSE COALESCE(%(now)s, statement_timestamp()) END""",
}
# From lane to lane by the index, so that the length of a lane does not matter.
WAKE = """
WITH RECURSIVE head AS (
    (SELECT handler, lane, id FROM atoll_bus_delivery
     WHERE status IN ('pending', 'running', 'dead') AND lane <> ''
       AND (handler, lane) > (%(handler)s, %(lane)s)
     ORDER BY handler, lane, position, id LIMIT 1)
    UNION ALL
    SELECT following.* FROM head, LATERAL (
        SELECT handler, lane, id FROM atoll_bus_delivery
        WHERE status IN ('pending', 'running', 'dead') AND lane <> ''
          AND (handler, lane) > (head.handler, head.lane)
        ORDER BY handler, lane, position, id LIMIT 1) AS following
), looked_at AS MATERIALIZED (
    SELECT * FROM head LIMIT %(limit)s
), woken AS (
    UPDATE atoll_bus_delivery AS delivery SET hints = 0, hint_at = statement_timestamp()
    FROM looked_at
    WHERE delivery.id = looked_at.id AND delivery.status = 'pending' AND delivery.hints = -1
)
SELECT handler, lane FROM looked_at ORDER BY handler DESC, lane DESC LIMIT 1
"""


class Waking:
    """Looks at some lanes at a time, round and round."""

    def __init__(self) -> None:
        self._after = ("", "")

    def step(self) -> None:
        """Have the sweep send hints about what was parked and has nothing before it any more."""
        handler, lane = self._after
        with connection.cursor() as cursor:
            cursor.execute(WAKE, {"handler": handler, "lane": lane, "limit": HEADS_AT_ONCE})
            self._after = cursor.fetchone() or ("", "")
