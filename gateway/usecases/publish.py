"""Publishes the draft, which the rows of the admin are, as one table for all gateways."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from gateway.callers import Consumer, Issuer
from gateway.draft.changes import Change, changes
from gateway.edge.routes import snapshot
from gateway.models import ONLY_ROW, Aggregate, CorsSettings, LimitPolicy, Publication, Route, Service

CHANNEL = "gateway_tables"
LOCK = 0x6174_6F6C  # one publication at a time, so that a later version has all earlier edits


class Overtaken(Exception):
    """The draft or the published table is another one than the operator has seen."""


@dataclass(frozen=True)
class Draft:
    """``token`` names the published version and the draft together, as one operator sees them."""

    latest: Publication | None
    document: dict[str, Any]

    @property
    def version(self) -> int:
        return self.latest.version + 1 if self.latest else 1

    @property
    def token(self) -> str:
        content = json.dumps(self.document, sort_keys=True, default=str)
        return hashlib.sha256(content.encode()).hexdigest()[:32]

    def changes(self) -> list[Change]:
        """What a publication would change."""
        return changes(self.latest.document if self.latest else None, self.document)


def draft() -> Draft:
    latest = Publication.objects.first()
    return Draft(latest, current_document(latest.version + 1 if latest else 1))


def check_draft() -> None:
    """Raises InvalidConfiguration when the draft is not valid as a whole."""
    snapshot.read(current_document(0))


def lock() -> None:
    """Let no other publication happen until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def require_unchanged(seen: str) -> Draft:
    """The draft. Raises Overtaken when its token is not the seen one. Call it in a transaction."""
    lock()
    found = draft()
    if seen != found.token:
        raise Overtaken
    return found


def publish(
    by: str,
    why: str = "",
    *,
    seen: str | None = None,
    only: Collection[str] = (),
    routes: Collection[str] | None = None,
    restores: int | None = None,
) -> Publication:
    """Validate the draft and publish it, unless it equals the last publication.

    Gateways use it within a second after the commit. ``seen`` is the token of the draft that the operator
    looked at. With ``only`` (sections, such as ``consumers``) or ``routes`` (names) just these are published,
    and all else stays as it was published.
    Raises InvalidConfiguration, without a publication, when the table is not valid as a whole, and
    Overtaken when the draft is not the seen one.
    """
    with transaction.atomic():
        if seen is not None:
            require_unchanged(seen)
        lock()
        found = _limited(draft(), only, routes)
        snapshot.read(found.document)
        latest = found.latest
        if latest and latest.document | {"version": found.version} == found.document:
            return latest
        publication = Publication.objects.create(
            version=found.version,
            document=found.document,
            by=by,
            why=why,
            changes=[change.text for change in found.changes()],
            restores=restores,
        )
        publication.refresh_from_db()
        _notify()
        return publication


def _notify() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"NOTIFY {CHANNEL}")


def _limited(found: Draft, only: Collection[str], routes: Collection[str] | None) -> Draft:
    """The published table with the named parts of the draft; the whole draft before the first table."""
    if found.latest is None or (not only and routes is None):
        return found
    published = found.latest.document
    chosen = {section: found.document[section] for section in only if section in found.document}
    if routes is not None:
        kept = [row for row in published["routes"] if row["name"] not in routes]
        chosen["routes"] = kept + [row for row in found.document["routes"] if row["name"] in routes]
    return Draft(found.latest, published | chosen | {"version": found.version})


def current_document(version: int) -> dict[str, Any]:
    cors = CorsSettings.objects.filter(pk=ONLY_ROW).first() or CorsSettings()
    consumers = Consumer.objects.filter(enabled=True).prefetch_related("keys", "grants__route")
    return {
        "version": version,
        "routes": [route.document() for route in Route.objects.filter(enabled=True)],
        "cors": cors.document(),
        "services": [service.document() for service in Service.objects.all()],
        "limits": [policy.document() for policy in LimitPolicy.in_use()],
        "aggregates": [
            one.document() for one in Aggregate.objects.filter(enabled=True).prefetch_related("legs")
        ],
        "issuers": [issuer.document() for issuer in Issuer.objects.filter(enabled=True)],
        "consumers": [consumer.document() for consumer in consumers],
    }
