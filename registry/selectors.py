"""Reads the registry's state. Health follows from the leases when it is read, on the database's clock."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from django.db.models import DateTimeField, DurationField, ExpressionWrapper, F, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now

from registry.constants import MAX_INSTANCES_PER_SERVICE, PULSE_LOST
from registry.models import Instance, LogLevel, Service
from registry.silence import InstanceState, LogLevelState, last_known

# The moment at which leases are judged. It is now, or the end of the last pulse plus PULSE_LOST: while
# no registry process lived, no heartbeat could arrive, so leases did not run. statement_timestamp()
# gives the present in a long transaction, too.
JUDGED_AT_SQL = (
    "least(statement_timestamp(), coalesce("
    "(SELECT beat_at FROM registry_pulse) + interval '{lost_s} seconds', statement_timestamp()))"
).replace("{lost_s}", str(PULSE_LOST.total_seconds()))


def judged_at() -> RawSQL:
    return RawSQL(JUDGED_AT_SQL, (), output_field=DateTimeField())  # noqa: S611


CURRENT, LAST_KNOWN, UNKNOWN = "current", "last-known", "unknown"
STATUSES = ("healthy", "draining", LAST_KNOWN, "unhealthy")


@dataclass(frozen=True)
class Answer:
    """The answer of ``discover``.

    ``valid_s`` is the time until the next lease in it may expire, None for never. ``state`` is
    `CURRENT`, also after the last instance left, `LAST_KNOWN` while the answer has silent instances,
    or `UNKNOWN` when no instance was ever registered under the name. ``stale_s`` is the age of an
    answer from memory, while the database is away.
    """

    index: int
    instances: list[dict[str, Any]]
    valid_s: float | None
    state: str = CURRENT
    registered: tuple[InstanceState, ...] = ()
    stale_s: float | None = None


@dataclass(frozen=True)
class Visible:
    """``instances`` get traffic, in a stable order. ``registered`` are all instances of the service."""

    instances: list[dict[str, Any]]
    valid_s: float | None
    registered: list[InstanceState]
    last_known: frozenset[int]

    @property
    def digest(self) -> str:
        text = json.dumps(self.instances, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def state(self) -> str:
        return LAST_KNOWN if self.last_known else CURRENT


def visible(service: Service) -> Visible:
    levels = log_levels(service)
    instances = [
        instance_state(row, levels.get(row.instance_id) or levels.get(""))
        for row in with_health(Instance.objects.filter(service=service)).order_by("instance_id")
    ]
    kept = last_known(instances)
    shown = [instance for instance in instances if instance.pk in kept or instance.is_healthy]
    return Visible(
        [instance.wire | {"lastKnown": True} if instance.pk in kept else instance.wire for instance in shown],
        min((instance.left_s for instance in shown if instance.is_live), default=None),
        instances,
        kept,
    )


def log_levels(service: Service) -> dict[str, LogLevelState]:
    """The levels that operators have set, by instance; the empty name stands for all others."""
    rows = LogLevel.objects.filter(service=service.name, ends_at__gt=Now())
    found = rows.annotate(left=ExpressionWrapper(F("ends_at") - Now(), DurationField()))
    return {
        row.instance_id: LogLevelState(row.level, row.left.total_seconds())
        for row in found[:MAX_INSTANCES_PER_SERVICE]
    }


def instance_state(row: Any, log_level: LogLevelState | None = None) -> InstanceState:
    """``row`` comes from `with_health`."""
    return InstanceState(
        pk=row.pk,
        id=row.instance_id,
        endpoint=(row.address, row.port),
        incarnation=row.incarnation,
        is_drained=row.is_drained,
        left_s=row.lease_left.total_seconds(),
        beat_at=row.lease.beat_at,
        beat_age_s=row.beat_age.total_seconds(),
        registered_at=row.registered_at,
        wire=on_the_wire(row),
        log_level=log_level,
    )


def on_the_wire(instance: Instance) -> dict[str, Any]:
    """``{id, host, port, metadata}``, and the pinned ``address`` when the host is a name."""
    wire = {
        "id": instance.instance_id,
        "host": instance.host,
        "port": instance.port,
        "metadata": instance.metadata,
    }
    return wire if instance.host == instance.address else wire | {"address": instance.address}


def with_health(instances: QuerySet[Instance]) -> QuerySet[Instance]:
    """Add the timedeltas ``lease_left``, negative after the lease expired, and ``beat_age``."""
    return instances.select_related("service", "lease").annotate(
        lease_left=F("lease__expires_at") - judged_at(),
        beat_age=judged_at() - F("lease__beat_at"),
    )


def status(instance: Any) -> str:
    """``healthy``, ``draining`` (live without traffic), ``last-known`` (silent, callers still try it) or
    ``unhealthy`` (silent). ``instance`` comes from `with_health`."""
    if instance.lease_left is None or instance.lease_left.total_seconds() <= 0:
        return LAST_KNOWN if instance.is_last_known else "unhealthy"
    return "draining" if instance.is_drained else "healthy"


def service_names() -> list[str]:
    return list(Service.objects.values_list("name", flat=True))


def services_page(start: int, size: int) -> tuple[int, list[dict[str, Any]]]:
    """The number of services, and ``size`` of them with the health of their instances."""
    found = Service.objects.all()
    return found.count(), [describe(one.name, _judged(one)) for one in found[start : start + size]]


def _judged(service: Service) -> Answer:
    now = visible(service)
    return Answer(service.index, now.instances, now.valid_s, now.state, tuple(now.registered))


def describe(name: str, answer: Answer, later_s: float = 0.0) -> dict[str, Any]:
    """A service with all its instances, ``later_s`` seconds after it was read from the database."""
    kept = last_known(answer.registered)
    return {
        "name": name,
        "index": answer.index,
        "healthy": sum(instance.is_healthy for instance in answer.registered),
        "lastKnown": len(kept),
        "total": len(answer.registered),
        "instances": [
            instance.wire
            | {
                "status": status_of(instance, kept),
                "lastHeartbeat": instance.beat_at,
                "lastHeartbeatAgeS": round(instance.beat_age_s + later_s, 3),
                "registeredAt": instance.registered_at,
                "incarnation": instance.incarnation,
            }
            for instance in answer.registered
        ],
    }


def status_of(instance: InstanceState, kept: frozenset[int]) -> str:
    if instance.is_live:
        return "draining" if instance.is_drained else "healthy"
    return LAST_KNOWN if instance.pk in kept else "unhealthy"
