"""Make the rows of the admin the table that every gateway works with."""

from typing import Any

from django.db import connection, transaction

from gateway.edge.routes import snapshot
from gateway.models import ONLY_ROW, CorsSettings, Publication, Route

CHANNEL = "gateway_tables"
LOCK = 0x6174_6F6C  # one publication at a time, so that versions follow the edits they hold


def publish(by: str) -> Publication:
    """Validate everything and publish it, if it differs from what is published.

    Gateways take it over within a second of the commit. Raises InvalidConfiguration
    and publishes nothing when the table does not hold as a whole.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        latest = Publication.objects.first()
        version = latest.version + 1 if latest else 1
        document = current_document(version)
        snapshot.read(document)
        if latest and latest.document | {"version": version} == document:
            return latest
        publication = Publication.objects.create(version=version, document=document, by=by)
        publication.refresh_from_db()
        cursor.execute(f"NOTIFY {CHANNEL}")
        return publication


def current_document(version: int) -> dict[str, Any]:
    cors = CorsSettings.objects.filter(pk=ONLY_ROW).first() or CorsSettings()
    return {
        "version": version,
        "routes": [route.document() for route in Route.objects.filter(enabled=True)],
        "cors": cors.document(),
    }
