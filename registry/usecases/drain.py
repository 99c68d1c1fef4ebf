"""An operator keeps traffic away from an instance, or lets it back."""

from django.db import transaction

from registry.models import Event, Instance, Service
from registry.usecases.settle import settle, tell


def drain(instance: Instance, *, actor: str) -> bool:
    """Out of every answer when this returns; the process hears it with its next heartbeat and
    finishes what it has. False when it was drained already."""
    return _set(instance, is_drained=True, kind=Event.Kind.DRAINED, actor=actor)


def undrain(instance: Instance, *, actor: str) -> bool:
    """Back in the answers, if it is healthy. False when it was not drained."""
    return _set(instance, is_drained=False, kind=Event.Kind.UNDRAINED, actor=actor)


def _set(instance: Instance, *, is_drained: bool, kind: Event.Kind, actor: str) -> bool:
    with transaction.atomic():
        service = Service.objects.select_for_update().get(pk=instance.service_id)
        changed = Instance.objects.filter(pk=instance.pk, is_drained=not is_drained).update(
            is_drained=is_drained
        )
        if changed:
            Event.objects.create(
                kind=kind, service=service.name, instance_id=instance.instance_id, actor=actor
            )
            settle(service.pk)
            tell(service.name)
        return bool(changed)
