"""The SQL that claims deliveries, records their outcomes and finds those that are due.

A name that begins with an underscore is a fragment of statements in this file. The clock is the
database's; tests pass their own time as ``now``.
"""

from atoll.postgresql.prepared import Prepared

_NOW = "COALESCE(%(now)s::timestamptz, statement_timestamp())"

# The first open or dead delivery in the lane of ``delivery``. An ORDER BY that one index serves, and no
# EXISTS with a comparison: planners read whole tables for those, expecting to find an example soon.
_FIRST_OF_ITS_LANE = """(
    SELECT head.id FROM atoll_bus_delivery AS head
    WHERE head.handler = delivery.handler AND head.lane = delivery.lane AND head.lane <> ''
      AND head.status IN ('pending', 'running', 'dead')
    ORDER BY head.position, head.id LIMIT 1)"""

FIRST_IN_LANE = """
SELECT head.id FROM atoll_bus_delivery AS head
WHERE head.handler = %(handler)s AND head.lane = %(lane)s AND head.lane <> ''
  AND head.status IN ('pending', 'running', 'dead')
ORDER BY head.position, head.id LIMIT 1
"""

_MAY_BEGIN = f"""delivery.status IN ('pending', 'running')
      AND delivery.next_attempt_at <= {_NOW}
      AND delivery.handler = ANY(%(runnable)s)"""

# The turn of a delivery has come when nothing before it in its lane is open or dead, and nothing else
# in the lane is running.
_HAS_ITS_TURN = f"""delivery.lane <> '' AND delivery.id = {_FIRST_OF_ITS_LANE}
      AND NOT EXISTS (
        SELECT FROM atoll_bus_delivery AS other
        WHERE other.handler = delivery.handler AND other.lane = delivery.lane AND other.lane <> ''
          AND other.status = 'running' AND other.id <> delivery.id)"""

_IS_OVERTAKEN = """COALESCE((
        SELECT max(later.position) FROM atoll_bus_delivery AS later
        WHERE later.handler = delivery.handler AND later.lane = delivery.lane AND later.lane <> ''
          AND later.status IN ('done', 'ignored')), delivery.position) > delivery.position"""

# An overtaken delivery is late unless it was attempted or replayed before: both set ``created_at``, from
# which ``Retry.max_age_s`` counts. The time in which it waited for its turn does not count.
_BEGIN_ATTEMPT = f"""
UPDATE atoll_bus_delivery AS delivery
SET status = 'running', attempts = delivery.attempts + 1, waits_for = '',
    session = pg_backend_pid(), claimed_at = statement_timestamp(),
    next_attempt_at = {_NOW} + make_interval(secs => %(lease_s)s),
    hint_at = {_NOW} + make_interval(secs => %(lease_s)s),
    created_at = CASE
        WHEN NOT due.is_in_lane OR delivery.attempts > 0
          OR due.is_overtaken AND due.created_at = message.received_at
        THEN delivery.created_at ELSE {_NOW} END
FROM due, atoll_bus_inbox AS message
WHERE delivery.id = due.id AND message.id = delivery.message_id
RETURNING delivery.id, delivery.handler, delivery.attempts,
    message.message_id, message.kind, message.name,
    COALESCE(NULLIF(delivery.edited_body, ''), message.body), message.service_id,
    message.correlation_id, message.version, message.sent_at,
    EXTRACT(EPOCH FROM {_NOW} - delivery.created_at)::float8,
    delivery.lane, delivery.position, due.is_overtaken AND due.created_at = message.received_at,
    message.traceparent
"""

# An attempt that was counted but lost with the server's power is counted again: cheaper than waiting
# for the disk before each attempt.
DO_NOT_WAIT_FOR_DISK = "SET LOCAL synchronous_commit = off;"

# The second half of the condition is for a lane that is left from a handler that was ordered once;
# another version of the service may have made it ordered since.
CLAIM_UNORDERED = Prepared(
    "atoll_claim",
    f"""
WITH due AS (
    SELECT delivery.id, delivery.created_at, FALSE AS is_in_lane, FALSE AS is_overtaken
    FROM atoll_bus_delivery AS delivery
    WHERE delivery.id = %(id)s AND {_MAY_BEGIN}
      AND (delivery.lane = '' OR NOT %(has_ordered)s AND NOT EXISTS (
        SELECT FROM atoll_bus_knownhandler WHERE ordered AND retired_at IS NULL))
    FOR UPDATE SKIP LOCKED
)
{_BEGIN_ATTEMPT}""",
    id="uuid",
    now="timestamptz",
    runnable="text[]",
    has_ordered="boolean",
    lease_s="float8",
)

CLAIM_IN_LANE = f"""
{DO_NOT_WAIT_FOR_DISK}
WITH due AS (
    SELECT delivery.id, delivery.created_at, TRUE AS is_in_lane, {_IS_OVERTAKEN} AS is_overtaken
    FROM atoll_bus_delivery AS delivery
    WHERE delivery.id = %(id)s AND {_MAY_BEGIN} AND {_HAS_ITS_TURN}
    FOR UPDATE SKIP LOCKED
)
{_BEGIN_ATTEMPT}"""

CLAIM_NEXT_IN_LANE = f"""
{DO_NOT_WAIT_FOR_DISK}
WITH due AS (
    SELECT delivery.id, delivery.created_at, TRUE AS is_in_lane, {_IS_OVERTAKEN} AS is_overtaken
    FROM atoll_bus_delivery AS delivery
    WHERE delivery.id = ({FIRST_IN_LANE}) AND {_MAY_BEGIN} AND {_HAS_ITS_TURN}
    FOR UPDATE SKIP LOCKED
)
{_BEGIN_ATTEMPT}"""

# Without statistics, or with those of quieter times, PostgreSQL would read all that is due and sort it
# for each claim: ten times slower with 7,000 due. The index delivers it in order.
_DO_NOT_SORT = "SET LOCAL enable_sort = off;"

_IS_DUE = """delivery.status IN ('pending', 'running') AND delivery.hint_at <= statement_timestamp()
          AND delivery.next_attempt_at <= statement_timestamp() AND delivery.handler = ANY(%(runnable)s)"""

CLAIM_LONGEST_DUE = f"""
{_DO_NOT_SORT}
{DO_NOT_WAIT_FOR_DISK}
WITH due AS (
    SELECT delivery.id, delivery.created_at, FALSE AS is_in_lane, FALSE AS is_overtaken
    FROM atoll_bus_delivery AS delivery
    WHERE {_MAY_BEGIN} AND delivery.id = (
        SELECT delivery.id FROM atoll_bus_delivery AS delivery
        WHERE {_IS_DUE} AND delivery.lane = ''
        ORDER BY delivery.hint_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    FOR UPDATE SKIP LOCKED
)
{_BEGIN_ATTEMPT}"""

# The sweep parks what is not the first of its lane.
CLAIM_LONGEST_DUE_IN_LANE = f"""
{_DO_NOT_SORT}
{DO_NOT_WAIT_FOR_DISK}
WITH due AS (
    SELECT delivery.id, delivery.created_at, TRUE AS is_in_lane, {_IS_OVERTAKEN} AS is_overtaken
    FROM atoll_bus_delivery AS delivery
    WHERE {_MAY_BEGIN} AND {_HAS_ITS_TURN} AND delivery.id = (
        SELECT delivery.id FROM atoll_bus_delivery AS delivery
        WHERE {_IS_DUE} AND delivery.lane <> '' AND delivery.id = {_FIRST_OF_ITS_LANE}
        ORDER BY delivery.hint_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    FOR UPDATE SKIP LOCKED
)
{_BEGIN_ATTEMPT}"""

# The first statement of the handler's transaction: it locks the row, checks the number of the attempt,
# and is committed together with the handler's effects.
TIMEOUTS = """
SET LOCAL statement_timeout = %(timeout_ms)s;
SET LOCAL idle_in_transaction_session_timeout = %(timeout_ms)s;
"""

DONE = Prepared(
    "atoll_done",
    """
UPDATE atoll_bus_delivery
SET status = 'done', error = '', error_group = '', traceback = '', finished_at = statement_timestamp()
WHERE id = %(id)s AND status = 'running' AND attempts = %(attempt)s
""",
    id="uuid",
    attempt="integer",
)

# For the fast path, in the transaction that stored the deliveries.
DONE_IN_LANES = """
UPDATE atoll_bus_delivery SET status = 'done', finished_at = statement_timestamp() WHERE id = ANY(%(ids)s)
"""

# The first attempts of deliveries that were stored without a hint, for the fast path. ``claimed_at`` marks
# them before they run: if the process ends meanwhile, no batch takes them again, and their next hint has
# them counted one by one.
MARK_FOR_BATCH = f"""
{_DO_NOT_SORT}
{DO_NOT_WAIT_FOR_DISK}
WITH due AS (
    SELECT delivery.id FROM atoll_bus_delivery AS delivery
    WHERE {_IS_DUE} AND delivery.lane = '' AND delivery.status = 'pending'
      AND delivery.attempts = 0 AND delivery.claimed_at IS NULL AND delivery.hint_at <= delivery.created_at
    ORDER BY delivery.hint_at LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
UPDATE atoll_bus_delivery AS delivery
SET claimed_at = statement_timestamp(), hint_at = statement_timestamp() + make_interval(secs => %(grace_s)s)
FROM due, atoll_bus_inbox AS message
WHERE delivery.id = due.id AND message.id = delivery.message_id
RETURNING delivery.id, delivery.handler, 1, message.message_id, message.kind, message.name,
    COALESCE(NULLIF(delivery.edited_body, ''), message.body), message.service_id,
    message.correlation_id, message.version, message.sent_at,
    EXTRACT(EPOCH FROM statement_timestamp() - delivery.created_at)::float8,
    delivery.lane, delivery.position, FALSE, message.traceparent
"""

DONE_IN_BATCH = """
UPDATE atoll_bus_delivery
SET status = 'done', attempts = 1, waits_for = '', finished_at = statement_timestamp()
WHERE id = ANY(%(ids)s) AND status = 'pending' AND attempts = 0
RETURNING id
"""

# The lanes in which a new delivery may not begin at once: one of the lane is open or dead, or a later one
# was settled. Without a position a delivery is the last of its lane.
LANES_WITH_WAITING = """
SELECT DISTINCT wanted.handler, wanted.lane
FROM unnest(%(handlers)s::text[], %(lanes)s::text[], %(positions)s::bigint[])
    AS wanted (handler, lane, position)
WHERE EXISTS (
    SELECT FROM atoll_bus_delivery AS open
    WHERE open.handler = wanted.handler AND open.lane = wanted.lane AND open.lane <> ''
      AND open.status IN ('pending', 'running', 'dead'))
  OR wanted.position < (
    SELECT max(later.position) FROM atoll_bus_delivery AS later
    WHERE later.handler = wanted.handler AND later.lane = wanted.lane AND later.lane <> ''
      AND later.status IN ('done', 'ignored'))
"""

FINISH = """
UPDATE atoll_bus_delivery
SET status = %(status)s, error = %(error)s, error_group = %(group)s, traceback = %(traceback)s,
    finished_at = statement_timestamp()
WHERE id = %(id)s AND status = 'running' AND attempts = %(attempt)s
"""

RETRY = f"""
UPDATE atoll_bus_delivery
SET status = 'pending', error = %(error)s, error_group = %(group)s, traceback = %(traceback)s,
    first_failed_at = COALESCE(first_failed_at, statement_timestamp()),
    next_attempt_at = {_NOW} + %(wait)s, hint_at = {_NOW} + %(wait)s, hints = 0
WHERE id = %(id)s AND status = 'running' AND attempts = %(attempt)s
"""

RELEASE = """
UPDATE atoll_bus_delivery
SET status = 'pending', attempts = attempts - 1,
    next_attempt_at = statement_timestamp(), hint_at = statement_timestamp(), hints = 0
WHERE id = %(id)s AND status = 'running' AND attempts = %(attempt)s
"""

SET_ASIDE = """
UPDATE atoll_bus_delivery
SET status = 'pending', attempts = attempts - 1,
    next_attempt_at = statement_timestamp() + make_interval(secs => %(wait_s)s),
    hint_at = statement_timestamp() + make_interval(secs => %(wait_s)s)
WHERE id = %(id)s AND status = 'running' AND attempts = %(attempt)s
"""

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

ADOPT = """
UPDATE atoll_bus_delivery SET session = pg_backend_pid(), claimed_at = statement_timestamp()
WHERE id IN (
    SELECT delivery.id FROM atoll_bus_delivery AS delivery
    JOIN unnest(%(ids)s::uuid[], %(attempts)s::int[]) AS held (id, attempts)
        ON held.id = delivery.id AND held.attempts = delivery.attempts
    WHERE delivery.status = 'running'
    FOR UPDATE OF delivery SKIP LOCKED)
"""

# claim_owner.py says when a session is gone. The attempt stays counted: it may be what ended its process.
TAKE_BACK = """
UPDATE atoll_bus_delivery
SET next_attempt_at = statement_timestamp(), hint_at = statement_timestamp(), hints = 0, session = NULL
WHERE id IN (
    SELECT delivery.id FROM atoll_bus_delivery AS delivery
    WHERE delivery.status = 'running' AND delivery.session IS NOT NULL AND NOT EXISTS (
        SELECT FROM pg_stat_get_activity(delivery.session) AS holder
        WHERE COALESCE(holder.backend_start <= delivery.claimed_at, TRUE))
    FOR UPDATE SKIP LOCKED)
"""

# Every name of the handlers for which a running worker has code.
_ATTENDED = """
    SELECT unnest(known.aliases || known.handler) FROM atoll_bus_knownhandler AS known
    WHERE known.seen_at > statement_timestamp() - make_interval(secs => %(attended_s)s)"""

# Every name of the handlers for which no running worker has code. A handler that was never seen may
# belong to a worker of a version that did not announce its handlers.
_ABANDONED = f"""
    SELECT unnest(known.aliases || known.handler) FROM atoll_bus_knownhandler AS known
    WHERE known.seen_at IS NOT NULL OR known.retired_at IS NOT NULL
    EXCEPT {_ATTENDED}"""

# A hint without an effect is repeated after 10, 20, 40, ... at most 640 s, so that hints do not multiply
# a backlog. A delivery that waits for its turn or for code gets none and is parked.
SWEEP = f"""
WITH due AS (
    SELECT delivery.id, CASE
        WHEN delivery.handler <> ALL(%(runnable)s) AND delivery.handler IN ({_ABANDONED}) THEN 'code'
        WHEN delivery.lane <> '' AND delivery.id <> {_FIRST_OF_ITS_LANE} THEN 'turn'
        ELSE '' END AS waits_for
    FROM atoll_bus_delivery AS delivery
    WHERE delivery.status IN ('pending', 'running') AND delivery.hint_at <= {_NOW}
    ORDER BY delivery.hint_at LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
UPDATE atoll_bus_delivery AS delivery
SET waits_for = due.waits_for,
    hints = CASE WHEN due.waits_for = '' THEN delivery.hints + 1 ELSE 0 END,
    hint_at = {_NOW} + make_interval(secs => CASE
        WHEN due.waits_for <> '' THEN %(parked_s)s
        ELSE %(grace_s)s * 2 ^ LEAST(delivery.hints, 6) END)
FROM due WHERE delivery.id = due.id
RETURNING delivery.id, due.waits_for
"""

# From lane to lane by the index, so that the length of a lane does not matter.
WAKE_LANES = """
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
    UPDATE atoll_bus_delivery AS delivery
    SET waits_for = '', hints = 0, hint_at = statement_timestamp()
    FROM looked_at
    WHERE delivery.id = looked_at.id AND delivery.status = 'pending' AND delivery.waits_for = 'turn'
)
SELECT handler, lane FROM looked_at ORDER BY handler DESC, lane DESC LIMIT 1
"""

# Parks many due deliveries without code at once: the sweep must not look at each row of such a backlog.
PARK_WITHOUT_CODE = f"""
UPDATE atoll_bus_delivery
SET waits_for = 'code', hints = 0, hint_at = {_NOW} + make_interval(secs => %(parked_s)s)
WHERE id IN (
    SELECT id FROM atoll_bus_delivery
    WHERE status IN ('pending', 'running') AND hint_at <= {_NOW}
      AND handler <> ALL(%(runnable)s) AND handler IN ({_ABANDONED})
    ORDER BY hint_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
"""

WAKE_WITH_CODE = f"""
UPDATE atoll_bus_delivery SET waits_for = '', hints = 0, hint_at = statement_timestamp()
WHERE id IN (
    SELECT id FROM atoll_bus_delivery
    WHERE status IN ('pending', 'running') AND waits_for = 'code'
      AND (handler = ANY(%(runnable)s) OR handler IN ({_ATTENDED}))
    LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
"""

# The hint was not lost, so that the next one need not wait for longer should it get lost.
REPEAT_HINT_SOON = f"""
UPDATE atoll_bus_delivery
SET hints = 0, hint_at = LEAST(hint_at, statement_timestamp() + make_interval(secs => CASE
    WHEN next_attempt_at > statement_timestamp() - make_interval(secs => %(soon_for_s)s) THEN %(soon_s)s
    WHEN handler IN ({_ATTENDED}) THEN %(later_s)s ELSE %(unsure_s)s END))
WHERE id = (
    SELECT id FROM atoll_bus_delivery
    WHERE id = %(id)s AND status IN ('pending', 'running') AND handler <> ALL(%(runnable)s)
      AND waits_for = '' AND next_attempt_at <= statement_timestamp()
    FOR UPDATE SKIP LOCKED)
"""
