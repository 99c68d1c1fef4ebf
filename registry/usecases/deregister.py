"""A process leaves, or an operator takes it out."""

from django.db import transaction
from django.db.models.functions import Now

from atoll.errors import Conflict, NotFound
from registry.models import Event, Instance, Service, Tombstone
from registry.usecases.settle import settle, tell


def deregister(service_name: str, instance_id: str, incarnation: int = 0, *, actor: str) -> None:
    """Gone from every answer when this returns, and a tombstone keeps late words from bringing
    it back. Doing it twice is the same as once.

    Raises Conflict when a later life of the id is registered (it stays), NotFound when the id
    is neither registered nor buried and gives no incarnation that could be buried.
    """
    with transaction.atomic():
        service = Service.objects.select_for_update().filter(name=service_name).first()
        existing = Instance.objects.filter(service=service, instance_id=instance_id).first()
        if existing is not None and 0 < incarnation < existing.incarnation:
            raise Conflict(
                f"{instance_id} has registered again since; incarnation {incarnation} is over.",
                code="stale_incarnation",
            )
        grave = Tombstone.objects.filter(service=service, instance_id=instance_id).first()
        if service is None or not (existing or grave or incarnation):
            raise NotFound(f"{instance_id} is not registered as {service_name}.", code="instance_not_found")
        Tombstone.objects.update_or_create(
            service=service,
            instance_id=instance_id,
            defaults={
                "incarnation": max(
                    incarnation,
                    existing.incarnation if existing else 0,
                    grave.incarnation if grave else 0,
                ),
                "buried_at": Now() if existing or not grave else grave.buried_at,
            },
        )
        if existing is not None:
            existing.delete()
            Event.objects.create(
                kind=Event.Kind.DEREGISTERED, service=service.name, instance_id=instance_id, actor=actor
            )
        settle(service.pk)
        tell(service.name)
