"""Bringing a service's index in line with its answer: the one place where an index moves."""

from django.db import connection, transaction
from django.db.models import F

from registry.constants import CHANNEL
from registry.models import Event, Instance, Service
from registry.selectors import Answer, judged_at, visible

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
        _note_silence(service)
        now = visible(service)
        if now.digest != service.answer_digest:
            Service.objects.filter(pk=service_id).update(index=F("index") + 1, answer_digest=now.digest)
            service.index += 1
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, service.name])
        return Answer(service.index, now.instances, now.valid_s)


def _note_silence(service: Service) -> None:
    """Writes into the journal, once each, whose lease ran out and who beats again."""
    instances = Instance.objects.filter(service=service)
    changes = {
        True: instances.filter(is_silent=False, lease__expires_at__lte=judged_at()),
        False: instances.filter(is_silent=True, lease__expires_at__gt=judged_at()),
    }
    for is_silent, changed in changes.items():
        ids = dict(changed.values_list("pk", "instance_id"))
        if ids:
            Instance.objects.filter(pk__in=ids).update(is_silent=is_silent)
            Event.objects.bulk_create(
                Event(kind=SILENT[is_silent], service=service.name, instance_id=instance_id)
                for instance_id in ids.values()
            )
