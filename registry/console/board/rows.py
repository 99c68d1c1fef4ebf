"""The rows of the board: services in order of need, each with its instances and workers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models.functions import Now

from registry import selectors
from registry.models import Instance, LogLevel, Service

WORKER_SUFFIX = ".worker"
# Where one kind of process has deregistered and the other one goes on.
GONE = {"web": "no web process", "worker": "no worker"}
# How bad a state is; the worst one comes first.
STATES = ("down", "last known", *GONE.values(), "reduced", "no instance", "up")


@dataclass(frozen=True)
class InstanceRow:
    """``kind`` is ``web`` or ``worker``. ``since`` is the time of its registration. ``log_level`` is the one
    that an operator has set for it or for its service."""

    pk: int
    id: str
    kind: str
    status: str
    place: str
    version: str
    zone: str
    since: datetime
    beat_age_s: float
    log_level: LogLevel | None = None


@dataclass
class ServiceRow:
    """``deployed_at`` is the time at which the first instance of the newest version registered."""

    name: str
    state: str
    instances: list[InstanceRow] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    deployed_at: datetime | None = None

    @property
    def healthy(self) -> int:
        return sum(one.status == "healthy" for one in self.instances)

    @property
    def is_bad(self) -> bool:
        return self.state not in ("up", "no instance")


def service_rows() -> list[ServiceRow]:
    """Every service with its workers, the ones in trouble first. Three queries."""
    levels = {
        (level.service, level.instance_id): level for level in LogLevel.objects.filter(ends_at__gt=Now())
    }
    instances = selectors.with_health(Instance.objects.all()).order_by("service__name", "instance_id")
    by_service: dict[str, list[InstanceRow]] = {}
    for one in instances:
        level = levels.get((one.service.name, one.instance_id)) or levels.get((one.service.name, ""))
        by_service.setdefault(_plain(one.service.name), []).append(_instance(one, level))
    kinds: dict[str, set[str]] = {}
    for name in Service.objects.values_list("name", flat=True):
        kinds.setdefault(_plain(name), set()).add(_kind(name))
    rows = [_service(name, by_service.get(name, []), had) for name, had in kinds.items()]
    return sorted(rows, key=lambda row: (STATES.index(row.state), row.name))


def _plain(name: str) -> str:
    return name.removesuffix(WORKER_SUFFIX)


def _kind(name: str) -> str:
    return "worker" if name.endswith(WORKER_SUFFIX) else "web"


def _service(name: str, found: list[InstanceRow], had: Iterable[str]) -> ServiceRow:
    rows = sorted(found, key=lambda row: (row.kind != "web", row.id))
    newest = max(rows, key=lambda row: row.since, default=None)
    same = [row.since for row in rows if newest is not None and row.version == newest.version]
    return ServiceRow(
        name,
        _state(rows, had),
        rows,
        sorted({row.version for row in rows if row.version}),
        min(same, default=None),
    )


def _state(rows: Sequence[InstanceRow], had: Iterable[str]) -> str:
    """The worst of the web processes and the workers, each judged by themselves. ``had`` are the kinds that
    have registered at any time."""
    states = []
    for kind in had if rows else ():
        statuses = [row.status for row in rows if row.kind == kind]
        if not statuses:
            states.append(GONE[kind])
        elif "last-known" in statuses:
            states.append("last known")
        elif "healthy" not in statuses:
            states.append("down")
        else:
            states.append("reduced" if "unhealthy" in statuses else "up")
    return min(states, key=STATES.index, default="no instance")


def _instance(one: Any, log_level: LogLevel | None) -> InstanceRow:
    host = f"[{one.host}]" if ":" in one.host else one.host
    return InstanceRow(
        pk=one.pk,
        id=one.instance_id,
        kind=_kind(one.service.name),
        status=selectors.status(one),
        place=f"{host}:{one.port}" if one.port else host,
        version=str(one.metadata.get("version", "")),
        zone=str(one.metadata.get("zone", "")),
        since=one.registered_at,
        beat_age_s=one.beat_age.total_seconds(),
        log_level=log_level,
    )
