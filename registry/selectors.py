"""Reading the registry's state. Health is judged here, at the moment of asking, by the
database's clock."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from django.db.models import DateTimeField, F, QuerySet
from django.db.models.expressions import RawSQL

from registry.constants import PULSE_LOST
from registry.models import Instance, Service
from registry.silence import Seat, last_known

# By which leases are judged: this moment or, while no registry process lived, the moment the
# last one went. A pulse older than PULSE_LOST means that we have only just come back, and that
# nobody could beat in between. (statement_timestamp(): a long transaction is judged by now too.)
JUDGED_AT_SQL = (
    "least(statement_timestamp(), coalesce("
    "(SELECT beat_at FROM registry_pulse) + interval '{lost_s} seconds', statement_timestamp()))"
).replace("{lost_s}", str(PULSE_LOST.total_seconds()))


def judged_at() -> RawSQL:
    return RawSQL(JUDGED_AT_SQL, (), output_field=DateTimeField())  # noqa: S611


CURRENT, LAST_KNOWN, UNKNOWN = "current", "last-known", "unknown"
STATES = ("healthy", "draining", LAST_KNOWN, "unhealthy")


@dataclass(frozen=True)
class Answer:
    """What ``discover`` says. ``valid_s``: a lease in it may run out that soon; None for never.

    ``state``: `CURRENT`, also for a service whose last instance left; `LAST_KNOWN` while some of
    the instances are silent; `UNKNOWN` for a name under which nothing was ever registered.
    ``stale_s``: it is from memory, that old, because the database is away.
    """

    index: int
    instances: list[dict[str, Any]]
    valid_s: float | None
    state: str = CURRENT
    seats: tuple[Seat, ...] = ()
    stale_s: float | None = None


@dataclass(frozen=True)
class Visible:
    """The instances that get traffic, in a stable order; ``seats`` are all that are registered."""

    instances: list[dict[str, Any]]
    valid_s: float | None
    seats: list[Seat]
    last_known: frozenset[int]

    @property
    def digest(self) -> str:
        text = json.dumps(self.instances, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def state(self) -> str:
        return LAST_KNOWN if self.last_known else CURRENT


def visible(service: Service) -> Visible:
    seats = [
        seat(row) for row in with_health(Instance.objects.filter(service=service)).order_by("instance_id")
    ]
    kept = last_known(seats)
    shown = [seat for seat in seats if seat.pk in kept or (seat.is_live and not seat.is_drained)]
    return Visible(
        [seat.wire | {"lastKnown": True} if seat.pk in kept else seat.wire for seat in shown],
        min((seat.left_s for seat in shown if seat.is_live), default=None),
        seats,
        kept,
    )


def seat(row: Any) -> Seat:
    """Of a row `with_health`."""
    return Seat(
        pk=row.pk,
        id=row.instance_id,
        place=(row.address, row.port),
        incarnation=row.incarnation,
        is_drained=row.is_drained,
        left_s=row.lease_left.total_seconds(),
        beat_at=row.lease.beat_at,
        beat_age_s=row.beat_age.total_seconds(),
        registered_at=row.registered_at,
        wire=on_the_wire(row),
    )


def on_the_wire(instance: Instance) -> dict[str, Any]:
    """``{id, host, port, metadata}``; with the pinned ``address`` where the host is a name."""
    wire = {
        "id": instance.instance_id,
        "host": instance.host,
        "port": instance.port,
        "metadata": instance.metadata,
    }
    return wire if instance.host == instance.address else wire | {"address": instance.address}


def with_health(instances: QuerySet[Instance]) -> QuerySet[Instance]:
    """Adds ``lease_left`` and ``beat_age``, both timedeltas, negative lease_left = ran out."""
    return instances.select_related("service", "lease").annotate(
        lease_left=F("lease__expires_at") - judged_at(),
        beat_age=judged_at() - F("lease__beat_at"),
    )


def status(instance: Any) -> str:
    """Of a row `with_health`: ``healthy``, ``draining`` (no traffic; silence beats it),
    ``last-known`` (silent, and callers still try it) or ``unhealthy`` (silent)."""
    if instance.lease_left is None or instance.lease_left.total_seconds() <= 0:
        return LAST_KNOWN if instance.is_last_known else "unhealthy"
    return "draining" if instance.is_drained else "healthy"


def service_names() -> list[str]:
    return list(Service.objects.values_list("name", flat=True))


def services_page(start: int, size: int) -> tuple[int, list[dict[str, Any]]]:
    """How many services there are, and some of them by name, with health and last heartbeat."""
    found = Service.objects.all()
    return found.count(), [describe(one.name, _judged(one)) for one in found[start : start + size]]


def _judged(service: Service) -> Answer:
    now = visible(service)
    return Answer(service.index, now.instances, now.valid_s, now.state, tuple(now.seats))


def describe(name: str, answer: Answer, later_s: float = 0.0) -> dict[str, Any]:
    """A service with all its instances, ``later_s`` seconds after it was read."""
    kept = last_known(answer.seats)
    return {
        "name": name,
        "index": answer.index,
        "healthy": sum(seat.is_live and not seat.is_drained for seat in answer.seats),
        "lastKnown": len(kept),
        "total": len(answer.seats),
        "instances": [
            seat.wire
            | {
                "status": seat_status(seat, kept),
                "lastHeartbeat": seat.beat_at,
                "lastHeartbeatAgeS": round(seat.beat_age_s + later_s, 3),
                "registeredAt": seat.registered_at,
                "incarnation": seat.incarnation,
            }
            for seat in answer.seats
        ],
    }


def seat_status(seat: Seat, kept: frozenset[int]) -> str:
    if seat.is_live:
        return "draining" if seat.is_drained else "healthy"
    return LAST_KNOWN if seat.pk in kept else "unhealthy"
