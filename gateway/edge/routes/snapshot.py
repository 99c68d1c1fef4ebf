"""The published routing table: immutable, validated as a whole, with a version.

The control plane writes it and each gateway process reads it. The last good table is saved on disk, so
that a gateway can start while its database is away.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atoll.identity.foreign.issuers import Issuer
from gateway.edge.aggregation import declaration, shipped
from gateway.edge.identity.consumers import Consumer, read_consumers
from gateway.edge.identity.declaration import InvalidIdentity
from gateway.edge.identity.issuers import read_issuers
from gateway.edge.limits import rules
from gateway.edge.limits.rules import LimitPolicy
from gateway.edge.routes.checks import (
    MAX_BODY_BYTES,
    MAX_BUFFER_BYTES,
    MAX_HOST_LENGTH,
    MAX_TIMEOUT_S,
    check_cors,
    check_not_internal,
    check_route,
)
from gateway.edge.routes.distinct import check_distinct
from gateway.edge.routes.route import (
    AGGREGATES,
    DEFAULT_BUFFER_BYTES,
    INTERNAL,
    METHODS,
    ROLES,
    Cors,
    InvalidConfiguration,
    Route,
    read_cors,
    read_route,
)
from gateway.edge.upstream import settings
from gateway.edge.upstream.settings import ServiceSettings

__all__ = [
    "AGGREGATES", "DEFAULT_BUFFER_BYTES", "INTERNAL", "MAX_BODY_BYTES", "MAX_BUFFER_BYTES", "MAX_HOST_LENGTH",
    "MAX_TIMEOUT_S", "METHODS", "ROLES", "Cors", "InvalidConfiguration", "Route", "Snapshot", "check_cors",
    "check_distinct", "check_not_internal", "check_route", "load", "read", "read_aggregates", "read_cors",
    "read_route", "save",
]  # fmt: skip


@dataclass(frozen=True)
class Snapshot:
    version: int
    routes: tuple[Route, ...]
    cors: Cors = field(default_factory=Cors)
    services: dict[str, ServiceSettings] = field(default_factory=dict)
    issuers: tuple[Issuer, ...] = ()
    consumers: tuple[Consumer, ...] = ()
    aggregates: tuple[declaration.Aggregate, ...] = ()
    limits: tuple[LimitPolicy, ...] = ()


def read(document: dict[str, Any]) -> Snapshot:
    """Raises InvalidConfiguration unless each route and the whole table are valid."""
    try:
        routes = tuple(read_route(row) for row in document["routes"])
        cors = read_cors(document["cors"])
        services = settings.read(document.get("services"))
        issuers = read_issuers(document.get("issuers"))
        consumers = read_consumers(document.get("consumers"))
        limits = rules.read(document.get("limits"))
        version = int(document["version"])
    except (InvalidIdentity, settings.InvalidService, rules.InvalidLimit) as error:
        raise InvalidConfiguration(str(error)) from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InvalidConfiguration(f"The routing table is incomplete: {error}.") from error
    for route in routes:
        check_route(route)
    check_distinct(routes)
    check_cors(cors)
    aggregates = read_aggregates(document.get("aggregates"))
    return Snapshot(version, routes, cors, services, issuers, consumers, aggregates, limits)


def read_aggregates(rows: Any) -> tuple[declaration.Aggregate, ...]:
    """A table from before aggregates were declared has the dashboard. Raises InvalidConfiguration."""
    try:
        return declaration.read(shipped.undeclared() if rows is None else rows, internal=INTERNAL)
    except declaration.InvalidAggregate as error:
        raise InvalidConfiguration(str(error)) from None


def load(path: Path) -> Snapshot | None:
    """The table saved on disk. None when there is no valid one."""
    try:
        return read(json.loads(path.read_text()))
    except (OSError, ValueError):
        return None


def save(path: Path, document: dict[str, Any]) -> None:
    """Replaces the file whole. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(document))
    fresh.replace(path)
