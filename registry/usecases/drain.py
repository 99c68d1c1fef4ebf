"""Drains an instance: takes it out of traffic while it runs, or puts it back."""

from django.db import transaction

from registry.models import Instance, JournalEntry, Service
from registry.usecases.refresh_index import notify, refresh_index


def drain(instance: Instance, *, actor: str) -> bool:
    """No answer has the instance when this returns. Its process learns it from the next heartbeat and
    finishes its requests. False when it was drained already."""
    return _set(instance, is_drained=True, kind=JournalEntry.Kind.DRAINED, actor=actor)


def undrain(instance: Instance, *, actor: str) -> bool:
    """Answers have the instance again, if it is live. False when it was not drained."""
    return _set(instance, is_drained=False, kind=JournalEntry.Kind.UNDRAINED, actor=actor)


def _set(instance: Instance, *, is_drained: bool, kind: JournalEntry.Kind, actor: str) -> bool:
    with transaction.atomic():
        service = Service.objects.select_for_update().get(pk=instance.service_id)
        changed = Instance.objects.filter(pk=instance.pk, is_drained=not is_drained).update(
            is_drained=is_drained
        )
        if changed:
            JournalEntry.objects.create(
                kind=kind, service=service.name, instance_id=instance.instance_id, actor=actor
            )
            refresh_index(service.pk)
            notify(service.name)
        return bool(changed)
