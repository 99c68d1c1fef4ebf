"""Drops the unpublished changes."""

from django.db import transaction

from gateway.draft.rows import load
from gateway.edge.routes.snapshot import InvalidConfiguration
from gateway.usecases.publish import require_unchanged


def discard(by: str, *, seen: str) -> int:
    """Make the draft equal to the published table; return the number of dropped changes.

    Added routes are switched off and not deleted. Raises Overtaken when the draft is not the one of the
    token ``seen``, and InvalidConfiguration before the first publication. Nothing is changed then.
    """
    with transaction.atomic():
        found = require_unchanged(seen)
        if found.latest is None:
            raise InvalidConfiguration("Nothing has been published yet.")
        load(found.latest.document, by)
        return len(found.changes())
