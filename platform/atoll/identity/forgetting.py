"""Forgetting a person in what every project keeps beside its own rows."""

from uuid import UUID

from django.apps import apps

from atoll.identity import copies


def forget_person(user_id: UUID) -> None:
    """Call it where a service hears that an account was deleted, in that transaction.

    The account's row in the admin loses email and name, the answers that were kept for its repeated
    requests are deleted, and messages about it are emptied within a minute or so (docs/personal-data.md).
    Doing it again changes nothing.
    """
    copies.forget(str(user_id))
    if apps.is_installed("atoll.api"):
        from atoll.api.models import IdempotencyRecord

        IdempotencyRecord.objects.filter(principal=str(user_id)).delete()
    if apps.is_installed("atoll.bus"):
        from atoll.bus.operations import personal_data

        personal_data.forget(user_id)
