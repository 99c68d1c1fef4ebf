"""Stores the request log of the edge, whose size it bounds, and the use of API keys."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from django.db import Error, connection
from django.db.models import Q

from gateway.edge.request_log import Entry
from gateway.models import CALLER_CHARS, RequestLog
from gateway.usecases.api_keys import record_key_use

MOST_ROWS = 200_000
# The addresses of clients are personal data.
KEPT_FOR = timedelta(days=30)
TRIM_EVERY_S = 60.0
TEXT_CHARS = 2000

_trimmed_at = 0.0


def store(batch: list[Entry]) -> None:
    """Store a batch. The log's thread calls it and keeps its connection. Raises django.db.Error."""
    global _trimmed_at
    try:
        RequestLog.objects.bulk_create(
            [
                RequestLog(
                    **entry._asdict()
                    | {"at": datetime.fromtimestamp(entry.at, UTC), "path": entry.path[:TEXT_CHARS]}
                    | {"method": entry.method[:16], "user_id": entry.user_id[:CALLER_CHARS]}
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


def note_keys(used: Mapping[str, float]) -> None:
    """Store when API keys were used last. Raises django.db.Error."""
    try:
        record_key_use(used)
    except Error:
        connection.close()
        raise


def trim(most_rows: int = MOST_ROWS, now: datetime | None = None) -> int:
    """Delete all but the newest ``most_rows``, and those older than KEPT_FOR. Returns their number."""
    newest = RequestLog.objects.order_by("-id").values_list("id", flat=True).first()
    if newest is None:
        return 0
    is_over = Q(id__lte=newest - most_rows) | Q(at__lt=(now or datetime.now(UTC)) - KEPT_FOR)
    deleted, _ = RequestLog.objects.filter(is_over).delete()
    return deleted
