"""The registry's own heartbeat. After the registry was away, leases get that time back."""

from datetime import timedelta

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from registry.constants import FORGET_AFTER, JOURNAL_KEPT, LEASE, PULSE_LOST, TOMBSTONE_KEPT
from registry.models import Instance, JournalEntry, Pulse, Service, Tombstone
from registry.selectors import judged_at, visible
from registry.usecases.refresh_index import notify, refresh_index


def pulse() -> timedelta | None:
    """Record that a registry process lives.

    After a gap longer than PULSE_LOST, each lease that was valid when the gap began gets its full time
    again. Expired leases stay expired. Returns the length of such a gap, else None.
    """
    with transaction.atomic():
        last = Pulse.objects.select_for_update().first()
        if last is None:
            Pulse.objects.create(pk=1)
            return None
        with connection.cursor() as cursor:
            cursor.execute("SELECT statement_timestamp() - %s", [last.beat_at])
            gap: timedelta = cursor.fetchone()[0]
            if gap > PULSE_LOST:
                cursor.execute(
                    "UPDATE registry_lease "
                    "SET expires_at = statement_timestamp() + make_interval(secs => %s) "
                    "WHERE expires_at > %s",
                    [LEASE.total_seconds(), last.beat_at],
                )
                JournalEntry.objects.create(
                    kind=JournalEntry.Kind.EXTENDED, details={"awayS": round(gap.total_seconds(), 1)}
                )
            cursor.execute("UPDATE registry_pulse SET beat_at = statement_timestamp()")
        return gap if gap > PULSE_LOST else None


def sweep() -> int:
    """Refresh the index of services with an expired lease, and delete what is too old.

    Instances are deleted after FORGET_AFTER of silence, except the last known ones of a service that
    is silent as a whole: an operator or the process itself deregisters these. Old tombstones and
    journal entries go, too. Returns the number of deleted instances. The sweep need not be punctual.
    """
    forgotten = 0
    due = Instance.objects.filter(
        Q(is_silent=False) | Q(lease__expires_at__lt=judged_at() - FORGET_AFTER),
        lease__expires_at__lte=judged_at(),
    )
    for service in Service.objects.filter(pk__in=due.values("service")):
        with transaction.atomic():
            Service.objects.select_for_update().get(pk=service.pk)
            names = _forget(service)
            if names:
                forgotten += len(names)
                JournalEntry.objects.bulk_create(
                    JournalEntry(kind=JournalEntry.Kind.FORGOTTEN, service=service.name, instance_id=name)
                    for name in names
                )
            refresh_index(service.pk)
            if names:
                notify(service.name)
    Tombstone.objects.filter(buried_at__lt=Now() - TOMBSTONE_KEPT).delete()
    JournalEntry.objects.filter(at__lt=Now() - JOURNAL_KEPT).delete()
    return forgotten


def _forget(service: Service) -> list[str]:
    now = visible(service)
    is_silent_as_a_whole = not any(instance.is_healthy for instance in now.registered)
    kept = now.last_known if is_silent_as_a_whole else frozenset()
    gone = Instance.objects.filter(service=service, lease__expires_at__lt=judged_at() - FORGET_AFTER).exclude(
        pk__in=kept
    )
    names = list(gone.values_list("instance_id", flat=True))
    gone.delete()
    return names
