"""Stores the edge's request log, and keeps it from growing without end."""

import time
from datetime import UTC, datetime

from django.db import Error, connection

from gateway.edge.request_log import Entry
from gateway.models import RequestLog

MOST_ROWS = 200_000
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


def trim(most_rows: int = MOST_ROWS) -> int:
    """Delete all but the newest; the number deleted."""
    newest = RequestLog.objects.order_by("-id").values_list("id", flat=True).first()
    if newest is None:
        return 0
    deleted, _ = RequestLog.objects.filter(id__lte=newest - most_rows).delete()
    return deleted
