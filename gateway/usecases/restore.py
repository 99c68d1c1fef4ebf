"""Brings a former routing table back as a new version."""

from collections.abc import Callable

from django.db import transaction

from gateway.draft.changes import Document
from gateway.draft.rights import forbidden
from gateway.draft.rows import NEVER_LOADED, load
from gateway.models import Publication
from gateway.usecases.publish import Draft, draft, publish, require_unchanged

May = Callable[[str], bool]


def anything(permission: str) -> bool:
    """The permissions of the platform itself."""
    return True


def restore(
    version: int, by: str, why: str = "", *, seen: str | None = None, may: May = anything
) -> Publication:
    """Publish the table of ``version`` again and make the draft equal to it, in one transaction.

    Unpublished changes are dropped. Keys of consumers stay as they are today, and so does each section that
    the person may not change (``may`` tells the permissions). Raises Publication.DoesNotExist, Overtaken
    when the draft is not the one of the token ``seen``, and InvalidConfiguration when the table is not valid
    any more. Nothing is changed then.
    """
    with transaction.atomic():
        former = Publication.objects.get(version=version)
        if seen is not None:
            require_unchanged(seen)
        load(restorable(former, draft(), may), by)
        return publish(by, why or f"Version {version} brought back.", restores=version)


def restorable(former: Publication, now: Draft, may: May = anything) -> Document:
    """The table that `restore` would publish: the former one with today's keys and closed sections."""
    closed = {*NEVER_LOADED, *forbidden(now.document, former.document, may)}
    kept = {section: now.document[section] for section in closed if section in now.document}
    document: Document = now.document | former.document | kept
    return document
