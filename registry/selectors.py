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

# By which leases are judged: this moment or, while no registry process lived, the moment the
# last one went. A pulse older than PULSE_LOST means that we have only just come back, and that
# nobody could beat in between. (statement_timestamp(): a long transaction is judged by now too.)
JUDGED_AT_SQL = (
    "least(statement_timestamp(), coalesce("
    "(SELECT beat_at FROM registry_pulse) + interval '{lost_s} seconds', statement_timestamp()))"
).replace("{lost_s}", str(PULSE_LOST.total_seconds()))


def judged_at() -> RawSQL:
    return RawSQL(JUDGED_AT_SQL, (), output_field=DateTimeField())  # noqa: S611


@dataclass(frozen=True)
class Answer:
    """What ``discover`` says. ``valid_s``: a lease in it may run out that soon; None for never."""

    index: int
    instances: list[dict[str, Any]]
    valid_s: float | None


@dataclass(frozen=True)
class Visible:
    """The instances that get traffic, in a stable order."""

    instances: list[dict[str, Any]]
    valid_s: float | None

    @property
    def digest(self) -> str:
        text = json.dumps(self.instances, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def visible(service: Service) -> Visible:
    rows = list(
        Instance.objects.filter(service=service, is_drained=False, lease__expires_at__gt=judged_at())
        .annotate(left=F("lease__expires_at") - judged_at())
        .order_by("instance_id")
    )
    valid_s = min((row.left.total_seconds() for row in rows), default=None)
    return Visible([on_the_wire(row) for row in rows], valid_s)


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
    """``healthy``, ``unhealthy`` (silent beats all) or ``draining``, of a row `with_health`."""
    if instance.lease_left is None or instance.lease_left.total_seconds() <= 0:
        return "unhealthy"
    return "draining" if instance.is_drained else "healthy"


def all_services() -> list[dict[str, Any]]:
    """Everything registered, with health and last heartbeat."""
    found: dict[str, list[Any]] = {}
    for row in with_health(Instance.objects.order_by("service__name", "instance_id")):
        found.setdefault(row.service.name, []).append(row)
    indexes = dict(Service.objects.values_list("name", "index"))
    return [
        {
            "name": name,
            "index": indexes[name],
            "healthy": sum(status(row) == "healthy" for row in found.get(name, [])),
            "total": len(found.get(name, [])),
            "instances": [_described(row) for row in found.get(name, [])],
        }
        for name in sorted(indexes)
    ]


def _described(row: Any) -> dict[str, Any]:
    return on_the_wire(row) | {
        "status": status(row),
        "lastHeartbeat": row.lease.beat_at,
        "lastHeartbeatAgeS": round(row.beat_age.total_seconds(), 3),
        "registeredAt": row.registered_at,
        "incarnation": row.incarnation,
    }
