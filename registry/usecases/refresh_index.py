"""Brings a service's index in line with its answer. No other module moves an index."""

from django.db import connection, transaction
from django.db.models import F

from registry.constants import CHANNEL
from registry.models import Instance, JournalEntry, Service
from registry.selectors import Answer, Visible, visible

KIND_BY_SILENCE = {
    True: JournalEntry.Kind.EXPIRED,
    False: JournalEntry.Kind.RECOVERED,
}


def refresh_index(service_id: int) -> Answer:
    """The answer now. When it differs from the answer of the index, the index grows by one, and every
    process of the registry is notified at commit.

    Locks the service's row, so that two processes that see the same change count it once.
    """
    with transaction.atomic():
        service = Service.objects.select_for_update().get(pk=service_id)
        now = visible(service)
        _record_silence(service, now)
        if now.digest != service.answer_digest:
            Service.objects.filter(pk=service_id).update(index=F("index") + 1, answer_digest=now.digest)
            service.index += 1
            notify(service.name)
        return Answer(service.index, now.instances, now.valid_s, now.state, tuple(now.registered))


def notify(service_name: str) -> None:
    """Notify every process of the registry at commit that the service has changed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, service_name])


def _record_silence(service: Service, now: Visible) -> None:
    """Write to the journal, once each, that a lease expired, that an instance recovered, and that the last
    list is kept. Mark the instances of that list."""
    marked = Instance.objects.filter(service=service)
    for is_silent, kind in KIND_BY_SILENCE.items():
        found = {instance.pk: instance.id for instance in now.registered if instance.is_live is not is_silent}
        changed = set(marked.filter(pk__in=found, is_silent=not is_silent).values_list("pk", flat=True))
        if changed:
            Instance.objects.filter(pk__in=changed).update(is_silent=is_silent)
            JournalEntry.objects.bulk_create(
                JournalEntry(kind=kind, service=service.name, instance_id=found[pk]) for pk in sorted(changed)
            )
    was_kept = set(marked.filter(is_last_known=True).values_list("pk", flat=True))
    if was_kept != now.last_known:
        marked.filter(pk__in=was_kept - now.last_known).update(is_last_known=False)
        marked.filter(pk__in=now.last_known).update(is_last_known=True)
        if now.last_known and not was_kept:
            JournalEntry.objects.create(
                kind=JournalEntry.Kind.KEPT, service=service.name, details={"instances": len(now.last_known)}
            )
