"""Publishes the routes and cross-origin rules of the admin as one table for all gateways."""

from typing import Any

from django.db import connection, transaction

from gateway.edge.routes import snapshot
from gateway.models import ONLY_ROW, CorsSettings, Publication, Route

CHANNEL = "gateway_tables"
LOCK = 0x6174_6F6C  # one publication at a time, so that a later version has all earlier edits


def publish(by: str) -> Publication:
    """Validate the table and publish it, unless it equals the last publication.

    Gateways use it within a second after the commit. Raises InvalidConfiguration, without a
    publication, when the table is not valid as a whole.
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
