"""Bringing a service's index in line with its answer: the one place where an index moves."""

from django.db import connection, transaction
from django.db.models import F

from registry.constants import CHANNEL
from registry.models import Event, Instance, Service
from registry.selectors import Answer, Visible, visible

SILENT = {
    True: Event.Kind.EXPIRED,
    False: Event.Kind.RECOVERED,
}


def settle(service_id: int) -> Answer:
    """The answer now. If it differs from the one the index stands for, the index grows by one
    and every process that holds watchers is told at commit.

    Locks the service's row, so that two processes that notice the same change count it once.
    """
    with transaction.atomic():
        service = Service.objects.select_for_update().get(pk=service_id)
        now = visible(service)
        _note_silence(service, now)
        if now.digest != service.answer_digest:
            Service.objects.filter(pk=service_id).update(index=F("index") + 1, answer_digest=now.digest)
            service.index += 1
            tell(service.name)
        return Answer(service.index, now.instances, now.valid_s, now.state, tuple(now.seats))


def tell(service_name: str) -> None:
    """Every process of the registry hears at commit that something about the service changed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, service_name])


def _note_silence(service: Service, now: Visible) -> None:
    """Writes into the journal, once each, whose lease ran out, who beats again, and that a last
    list is kept; and marks the instances of that list."""
    marked = Instance.objects.filter(service=service)
    for is_silent, kind in SILENT.items():
        found = {seat.pk: seat.id for seat in now.seats if seat.is_live is not is_silent}
        changed = set(marked.filter(pk__in=found, is_silent=not is_silent).values_list("pk", flat=True))
        if changed:
            Instance.objects.filter(pk__in=changed).update(is_silent=is_silent)
            Event.objects.bulk_create(
                Event(kind=kind, service=service.name, instance_id=found[pk]) for pk in sorted(changed)
            )
    was_kept = set(marked.filter(is_last_known=True).values_list("pk", flat=True))
    if was_kept != now.last_known:
        marked.filter(pk__in=was_kept - now.last_known).update(is_last_known=False)
        marked.filter(pk__in=now.last_known).update(is_last_known=True)
        if now.last_known and not was_kept:
            Event.objects.create(
                kind=Event.Kind.KEPT, service=service.name, details={"instances": len(now.last_known)}
            )
