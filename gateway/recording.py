"""Stores the edge's request log, and keeps it from growing without end."""

import time
from datetime import UTC, datetime, timedelta

from django.db import Error, connection
from django.db.models import Q

from gateway.edge.request_log import Entry
from gateway.models import RequestLog

MOST_ROWS = 200_000
# Addresses of clients are personal.
KEPT_FOR = timedelta(days=30)
TRIM_EVERY_S = 60.0
TEXT_CHARS = 2000

_trimmed_at = 0.0


def store(batch: list[Entry]) -> None:
    """Called by the log's own thread, which keeps its connection; raises what the database raises."""
    global _trimmed_at
    try:
        RequestLog.objects.bulk_create(
            [
                RequestLog(
                    **entry._asdict()
                    | {"at": datetime.fromtimestamp(entry.at, UTC), "path": entry.path[:TEXT_CHARS]}
                    | {"method": entry.method[:16]}
                )
                for entry in batch
            ]
        )
        if time.monotonic() - _trimmed_at > TRIM_EVERY_S:
            _trimmed_at = time.monotonic()
            trim()
    except Error:
        connection.close()
        raise


def trim(most_rows: int = MOST_ROWS, now: datetime | None = None) -> int:
    """Delete all but the newest, and what is older than KEPT_FOR; the number deleted."""
    newest = RequestLog.objects.order_by("-id").values_list("id", flat=True).first()
    if newest is None:
        return 0
    is_over = Q(id__lte=newest - most_rows) | Q(at__lt=(now or datetime.now(UTC)) - KEPT_FOR)
    deleted, _ = RequestLog.objects.filter(is_over).delete()
    return deleted
