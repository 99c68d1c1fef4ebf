"""Renews the leases of many instances in one statement."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from registry.constants import LEASE
from registry.selectors import JUDGED_AT_SQL


@dataclass(frozen=True)
class Beat:
    """A heartbeat that was accepted ``age_s`` seconds ago. ``incarnation`` 0 means any."""

    incarnation: int
    age_s: float


# Rows are locked in one order, so that two processes cannot deadlock.
RENEW = f"""
    WITH beats AS (
        SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::float8[]) AS b(id, incarnation, age_s)
    ), beating AS (
        SELECT i.id, i.service_id, l.expires_at <= {JUDGED_AT_SQL} AS was_silent,
               statement_timestamp() - make_interval(secs => b.age_s) AS beat_at
          FROM beats b
          JOIN registry_instance i ON i.id = b.id AND b.incarnation IN (0, i.incarnation)
          JOIN registry_lease l ON l.instance_id = i.id
         ORDER BY i.id
           FOR UPDATE OF l
    ), renewed AS (
        UPDATE registry_lease l
           SET beat_at = greatest(l.beat_at, beating.beat_at),
               expires_at = greatest(l.expires_at, beating.beat_at + make_interval(secs => %s))
          FROM beating
         WHERE l.instance_id = beating.id
     RETURNING beating.service_id, beating.was_silent
    )
    SELECT DISTINCT service_id FROM renewed WHERE was_silent
"""  # noqa: S608


def renew(beats: Mapping[int, Beat]) -> set[int]:
    """Renew leases from the moments of their heartbeats. ``beats`` is keyed by instances' primary keys.

    Instances that are gone or have another incarnation stay as they are. Returns the ids of services
    with a revived instance, which need `refresh_index`.
    """
    rows = sorted(beats.items())
    parameters: list[Any] = [
        [pk for pk, _ in rows],
        [beat.incarnation for _, beat in rows],
        [beat.age_s for _, beat in rows],
        LEASE.total_seconds(),
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(RENEW, parameters)
        return {service_id for (service_id,) in cursor.fetchall()}
