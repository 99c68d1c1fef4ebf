"""Forgetting a person in the tables that every project has beside its own."""

from uuid import UUID

from django.apps import apps

from atoll.identity import copies

__all__ = ["forget_person"]


def forget_person(user_id: UUID) -> None:
    """A service calls it in the transaction that handles ``user.deleted``.

    The account's row in the admin loses its email and name, and the answers kept for repeated requests
    are deleted. Messages about the person are emptied about a minute later (docs/personal-data.md).
    A second call changes nothing.
    """
    copies.forget(str(user_id))
    if apps.is_installed("atoll.api"):
        from atoll.api.models import IdempotencyRecord

        IdempotencyRecord.objects.filter(principal=str(user_id)).delete()
    if apps.is_installed("atoll.bus"):
        from atoll.bus.operations import personal_data

        personal_data.forget(user_id)
