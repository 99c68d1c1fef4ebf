"""Removes an instance because its process stops, or because an operator says so."""

from django.db import transaction
from django.db.models.functions import Now

from atoll.errors import Conflict, NotFound
from registry.models import Instance, JournalEntry, Service, Tombstone
from registry.usecases.refresh_index import notify, refresh_index


def deregister(service_name: str, instance_id: str, incarnation: int = 0, *, actor: str) -> None:
    """No answer has the instance when this returns. A tombstone refuses its late heartbeats. Idempotent.

    Raises Conflict when a later incarnation is registered, which stays, and NotFound when the id is
    neither registered nor buried and no incarnation is given.
    """
    with transaction.atomic():
        service = Service.objects.select_for_update().filter(name=service_name).first()
        existing = Instance.objects.filter(service=service, instance_id=instance_id).first()
        if existing is not None and 0 < incarnation < existing.incarnation:
            raise Conflict(
                f"{instance_id} has registered again since; incarnation {incarnation} is over.",
                code="stale_incarnation",
            )
        tombstone = Tombstone.objects.filter(service=service, instance_id=instance_id).first()
        if service is None or not (existing or tombstone or incarnation):
            raise NotFound(f"{instance_id} is not registered as {service_name}.", code="instance_not_found")
        Tombstone.objects.update_or_create(
            service=service,
            instance_id=instance_id,
            defaults={
                "incarnation": max(
                    incarnation,
                    existing.incarnation if existing else 0,
                    tombstone.incarnation if tombstone else 0,
                ),
                "buried_at": Now() if existing or not tombstone else tombstone.buried_at,
            },
        )
        if existing is not None:
            existing.delete()
            JournalEntry.objects.create(
                kind=JournalEntry.Kind.DEREGISTERED,
                service=service.name,
                instance_id=instance_id,
                actor=actor,
            )
        refresh_index(service.pk)
        notify(service.name)
