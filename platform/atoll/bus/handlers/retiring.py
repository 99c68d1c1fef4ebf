"""Retiring handlers: their state as staff see it, and the end of those that no worker has code for."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from atoll.bus.handlers import known
from atoll.errors import Conflict

HANDLERS = """
WITH counted AS (
    SELECT handler, count(*) FILTER (WHERE status IN ('pending', 'running')) AS waiting,
        count(*) FILTER (WHERE status = 'dead') AS dead
    FROM atoll_bus_delivery WHERE status IN ('pending', 'running', 'dead') GROUP BY handler
), open AS (
    SELECT COALESCE(known.handler, counted.handler) AS handler,
        sum(waiting)::bigint AS waiting, sum(dead)::bigint AS dead
    FROM counted LEFT JOIN LATERAL (
        SELECT handler FROM atoll_bus_knownhandler
        WHERE counted.handler = handler OR counted.handler = ANY(aliases) LIMIT 1) AS known ON TRUE
    GROUP BY 1
), listed AS (
    SELECT handler,
        array_agg(DISTINCT name) FILTER (WHERE retired_at IS NULL) AS takes,
        bool_or(ordered AND retired_at IS NULL) AS ordered,
        min(known_since) AS known_since, max(seen_at) AS seen_at,
        (array_agg(seen_by ORDER BY seen_at DESC NULLS LAST))[1] AS seen_by,
        COALESCE(max(seen_at) > statement_timestamp() - make_interval(secs => %(attended_s)s), FALSE)
            AS is_attended,
        CASE WHEN bool_and(retired_at IS NOT NULL) THEN max(retired_at) END AS retired_at,
        (array_agg(retired_by ORDER BY retired_at DESC NULLS LAST))[1] AS retired_by,
        (array_agg(why ORDER BY retired_at DESC NULLS LAST))[1] AS why
    FROM atoll_bus_knownhandler GROUP BY handler
)
SELECT COALESCE(listed.handler, open.handler), COALESCE(takes, '{}'), COALESCE(ordered, FALSE),
    known_since, seen_at, COALESCE(seen_by, ''), COALESCE(is_attended, FALSE),
    retired_at, COALESCE(retired_by, ''), COALESCE(why, ''), COALESCE(waiting, 0), COALESCE(dead, 0)
FROM listed FULL JOIN open ON open.handler = listed.handler
ORDER BY retired_at IS NOT NULL, 7, 1
"""

RETIRE = """
INSERT INTO atoll_bus_knownhandler
    (handler, aliases, kind, name, ordered, known_since, seen_by, retired_at, retired_by, why)
SELECT %(handler)s, '{}', 'event', '', FALSE, statement_timestamp(), '', statement_timestamp(),
    %(by)s, %(why)s
WHERE NOT EXISTS (SELECT FROM atoll_bus_knownhandler WHERE handler = %(handler)s);
UPDATE atoll_bus_knownhandler
SET retired_at = statement_timestamp(), retired_by = %(by)s, why = %(why)s
WHERE handler = %(handler)s AND retired_at IS NULL
"""

_DISCARD_OF_RETIRED = """
UPDATE atoll_bus_delivery AS delivery
SET status = 'discarded', finished_at = statement_timestamp(),
    error = 'Discarded: its handler was retired. ' || gone.why
FROM (
    SELECT called, max(why) AS why FROM atoll_bus_knownhandler, unnest(aliases || handler) AS called
    GROUP BY called HAVING bool_and(retired_at IS NOT NULL)
) AS gone
WHERE delivery.handler = gone.called"""

# A running delivery ends by itself. If it is retried, DISCARD_LEFT_OVER finds it.
DISCARD = f"""{_DISCARD_OF_RETIRED} AND delivery.status IN ('pending', 'dead')
"""

DISCARD_LEFT_OVER = f"""{_DISCARD_OF_RETIRED} AND delivery.status = 'pending' AND delivery.waits_for = 'code'
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """A handler as staff see it. ``waiting`` and ``dead`` count its deliveries.

    A handler that has deliveries and was never in the table has neither ``known_since`` nor ``takes``.
    """

    handler: str
    takes: list[str]
    ordered: bool
    known_since: datetime | None
    seen_at: datetime | None
    seen_by: str
    is_attended: bool
    retired_at: datetime | None
    retired_by: str
    why: str
    waiting: int
    dead: int

    @property
    def may_be_retired(self) -> bool:
        return self.retired_at is None and not self.is_attended


def standings() -> list[Standing]:
    """All handlers: first those without a worker, last the retired ones."""
    with connection.cursor() as cursor:
        cursor.execute(HANDLERS, {"attended_s": known.ATTENDED_S})
        return [Standing(*row) for row in cursor.fetchall()]


def standing(handler: str) -> Standing | None:
    return next((one for one in standings() if one.handler == handler), None)


def retire(handler: str, *, by: str, why: str) -> int:
    """Give the handler no more messages and discard its deliveries, dead letters included; how many.

    Its routing keys are unbound within a few seconds. A worker that starts with its code takes it up
    again. Raises Conflict while a worker has code for it, and when it is retired already.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [known.LOCK])
        found = standing(handler)
        if found is None or not found.may_be_retired:
            raise Conflict(f"{handler} is retired already, or a worker that runs has code for it.")
        with connection.cursor() as cursor:
            cursor.execute(RETIRE, {"handler": handler, "by": by, "why": why})
            cursor.execute(DISCARD)
            return int(cursor.rowcount)


def discard_left_over() -> int:
    """Discard the deliveries of retired handlers that were running when they were retired; how many."""
    if not known.roster().has_retired:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(DISCARD_LEFT_OVER)
        return int(cursor.rowcount)
