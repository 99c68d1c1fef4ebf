"""The registry's own heartbeat: time in which it was away is given back to every lease."""

from datetime import timedelta

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from registry.constants import FORGET_AFTER, JOURNAL_KEPT, LEASE, PULSE_LOST, TOMBSTONE_KEPT
from registry.models import Event, Instance, Pulse, Service, Tombstone
from registry.selectors import judged_at, visible
from registry.usecases.settle import settle, tell


def pulse() -> timedelta | None:
    """Says that a registry process lives. After a gap longer than PULSE_LOST every lease that had
    not run out when the registry went gets its full time again; the length of the gap, else None.

    Leases that had run out before stay so: being restarted revives nobody.
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
                Event.objects.create(
                    kind=Event.Kind.EXTENDED, details={"awayS": round(gap.total_seconds(), 1)}
                )
            cursor.execute("UPDATE registry_pulse SET beat_at = statement_timestamp()")
        return gap if gap > PULSE_LOST else None


def sweep() -> int:
    """Settles the services in which a lease ran out, forgets who has been silent for FORGET_AFTER,
    and drops what is too old to matter. Nothing depends on it being punctual.

    What a service that is silent as a whole was last known to be is never forgotten: an
    operator or the process itself deregisters it. The number of instances forgotten.
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
                Event.objects.bulk_create(
                    Event(kind=Event.Kind.FORGOTTEN, service=service.name, instance_id=name) for name in names
                )
            settle(service.pk)
            if names:
                tell(service.name)
    Tombstone.objects.filter(buried_at__lt=Now() - TOMBSTONE_KEPT).delete()
    Event.objects.filter(at__lt=Now() - JOURNAL_KEPT).delete()
    return forgotten


def _forget(service: Service) -> list[str]:
    now = visible(service)
    is_silent_as_a_whole = not any(seat.is_live and not seat.is_drained for seat in now.seats)
    kept = now.last_known if is_silent_as_a_whole else frozenset()
    gone = Instance.objects.filter(service=service, lease__expires_at__lt=judged_at() - FORGET_AFTER).exclude(
        pk__in=kept
    )
    names = list(gone.values_list("instance_id", flat=True))
    gone.delete()
    return names
