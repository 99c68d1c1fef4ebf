"""Renews the lease of one instance. It rewrites one narrow row and moves no index."""

from django.db import connection, transaction

from atoll.errors import Conflict, NotFound
from registry.constants import LEASE
from registry.models import Instance
from registry.selectors import JUDGED_AT_SQL
from registry.usecases.refresh_index import refresh_index

BEAT = f"""
    WITH beating AS (
        SELECT i.id, i.service_id, i.is_drained, l.expires_at <= {JUDGED_AT_SQL} AS was_silent
          FROM registry_instance i
          JOIN registry_service s ON s.id = i.service_id
          JOIN registry_lease l ON l.instance_id = i.id
         WHERE s.name = %s AND i.instance_id = %s AND (%s = 0 OR i.incarnation = %s)
    )
    UPDATE registry_lease
       SET beat_at = statement_timestamp(), expires_at = statement_timestamp() + make_interval(secs => %s)
      FROM beating
     WHERE registry_lease.instance_id = beating.id
    RETURNING beating.service_id, beating.is_drained, beating.was_silent
"""  # noqa: S608


def heartbeat(service_name: str, instance_id: str, incarnation: int = 0) -> str:
    """Renew the lease. ``"draining"`` while an operator drains the instance, else ``"ok"``.

    Raises NotFound when the process must register again, and Conflict when a later incarnation is
    registered. A silent instance is in the answers again when this returns.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(BEAT, [service_name, instance_id, incarnation, incarnation, LEASE.total_seconds()])
            row = cursor.fetchone()
        if row is not None:
            service_id, is_drained, was_silent = row
            if was_silent:
                refresh_index(service_id)
            return "draining" if is_drained else "ok"
    known = Instance.objects.filter(service__name=service_name, instance_id=instance_id)
    if known.filter(incarnation__gt=incarnation).exists():
        raise Conflict(
            f"{instance_id} has registered again since; incarnation {incarnation} is over.",
            code="stale_incarnation",
        )
    raise NotFound(
        f"{instance_id} is not registered as {service_name}. Register again.", code="instance_not_found"
    )
