"""The published routing table: immutable, validated as a whole, with a version.

The control plane writes it and each gateway process reads it. The last good table is saved on disk, so
that a gateway can start while its database is away.
"""

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atoll.identity import roles

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ACCESS = ("public", "signed_in", "staff", "public_read_staff_write", "public_read_signed_in_write")
FOR_ROLES = ("staff", "public_read_staff_write")
ROLES = tuple(role for role in roles.ROLES if role != roles.ADMIN)
BUILTINS = ("dashboard",)
RESERVED = ("/admin", "/static", "/health", "/metrics")
INTERNAL = frozenset((".well-known", "admin", "bus", "docs", "health", "metrics", "schema", "static"))
"""First segments of paths that no route leads to, since they are for operators and other services."""

PREFIX = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)+")
SERVICE = re.compile(r"[a-z][a-z0-9-]{0,62}")
NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-fA-F:]+\](:\d{1,5})?|\*")

MAX_TIMEOUT_S = 600
MAX_BODY_BYTES = 10 * 1024**3


class InvalidConfiguration(ValueError):
    """The table cannot be published. The text names the route and the change that it needs."""


@dataclass(frozen=True)
class Route:
    """``service_path`` replaces ``prefix`` at the upstream. ``rate_limit`` requests may come per
    ``rate_window_s``; 0 means no limit. ``roles`` are the roles that ``access`` asks for, without the
    administrator; empty when it asks for none."""

    name: str
    prefix: str
    service: str | None
    builtin: str | None
    service_path: str
    methods: tuple[str, ...]
    access: str
    roles: tuple[str, ...]
    timeout_s: float
    max_body_bytes: int
    rate_limit: int
    rate_window_s: int
    priority: int


@dataclass(frozen=True)
class Cors:
    """``origins`` may be ``("*",)`` only without credentials."""

    origins: tuple[str, ...] = ()
    methods: tuple[str, ...] = METHODS
    headers: tuple[str, ...] = ("Authorization", "Content-Type", "Idempotency-Key", "X-Correlation-ID")
    exposed: tuple[str, ...] = ("Link", "X-Total-Count", "X-Correlation-ID", "X-Response-Time", "RateLimit")
    credentials: bool = False
    max_age_s: int = 600


@dataclass(frozen=True)
class Snapshot:
    version: int
    routes: tuple[Route, ...]
    cors: Cors = field(default_factory=Cors)


def read(document: dict[str, Any]) -> Snapshot:
    """Raises InvalidConfiguration unless each route and the whole table are valid."""
    try:
        routes = tuple(_route(row) for row in document["routes"])
        cors = _cors(document["cors"])
        snapshot = Snapshot(int(document["version"]), routes, cors)
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidConfiguration(f"The routing table is incomplete: {error}.") from error
    for route in routes:
        check_route(route)
    check_distinct(routes)
    check_cors(cors)
    return snapshot


def _route(row: dict[str, Any]) -> Route:
    """A table from before routes had roles means the roles that ``staff`` had then."""
    given = row.get("roles")
    if given is None:
        given = roles.FORMER_ROLES["staff"] if row["access"] in FOR_ROLES else ()
    return Route(**{**row, "methods": tuple(row["methods"]), "roles": tuple(given)})


def _cors(values: dict[str, Any]) -> Cors:
    fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    return Cors(**fields)


def check_route(route: Route) -> None:
    problem = _problem(route)
    if problem:
        raise InvalidConfiguration(f"Route '{route.name}': {problem}")


def _problem(route: Route) -> str | None:
    if not NAME.fullmatch(route.name):
        return "its name must be lower-case letters, digits and hyphens."
    if not PREFIX.fullmatch(route.prefix):
        return f"the prefix {route.prefix!r} must look like /api/things, without a slash at its end."
    if any(route.prefix == taken or route.prefix.startswith(f"{taken}/") for taken in RESERVED):
        return f"the prefix {route.prefix!r} belongs to the gateway itself."
    if bool(route.service) == bool(route.builtin):
        return "choose either a service or a built-in handler."
    if route.service and not SERVICE.fullmatch(route.service):
        return f"{route.service!r} is no service name, such as order-service."
    if route.builtin and route.builtin not in BUILTINS:
        return f"there is no built-in handler {route.builtin!r}."
    if route.service_path and not PREFIX.fullmatch(route.service_path):
        return f"the service path {route.service_path!r} must look like /things or be empty."
    if not route.methods or not set(route.methods) <= set(METHODS):
        return f"its methods must be some of {', '.join(METHODS)}."
    if route.access not in ACCESS:
        return f"{route.access!r} is no access rule."
    if not set(route.roles) <= set(ROLES):
        return f"its roles must be some of {', '.join(ROLES)}; an administrator always may."
    if route.access in FOR_ROLES and not route.roles:
        return "choose at least one role that may use it."
    if route.roles and route.access not in FOR_ROLES:
        return "it asks for no role: take its roles away, or choose a rule that asks for them."
    if not 0 < route.timeout_s <= MAX_TIMEOUT_S:
        return f"the time-out must be above 0 and at most {MAX_TIMEOUT_S} s."
    if not 0 <= route.max_body_bytes <= MAX_BODY_BYTES:
        return f"the largest body must be between 0 and {MAX_BODY_BYTES} bytes."
    if route.rate_limit < 0 or not 1 <= route.rate_window_s <= 86_400:
        return "the rate limit must not be negative and its window be 1 to 86400 s."
    return None


def check_not_internal(route: Route) -> None:
    """Raises InvalidConfiguration for a service path that is internal.

    `read` accepts such a route of a published table, and the gateway answers 404 there.
    """
    first = route.service_path.strip("/").partition("/")[0]
    if first in INTERNAL:
        raise InvalidConfiguration(
            f"Route '{route.name}': /{first} of a service is never forwarded. It is for operators and for "
            "other services."
        )


def check_distinct(routes: tuple[Route, ...]) -> None:
    """Raises InvalidConfiguration when two routes could both win one request."""
    names: set[str] = set()
    taken: dict[tuple[str, str, int], str] = {}
    for route in routes:
        if route.name in names:
            raise InvalidConfiguration(f"Two routes are called '{route.name}'.")
        names.add(route.name)
        for method in route.methods:
            other = taken.setdefault((route.prefix, method, route.priority), route.name)
            if other != route.name:
                raise InvalidConfiguration(
                    f"Routes '{other}' and '{route.name}' both take {method} {route.prefix} with priority "
                    f"{route.priority}: change a method or a priority, so that it is clear which one wins."
                )


def check_cors(cors: Cors) -> None:
    for origin in cors.origins:
        if not ORIGIN.fullmatch(origin):
            raise InvalidConfiguration(f"{origin!r} is no origin, such as https://shop.example.com.")
    if "*" in cors.origins and cors.credentials:
        raise InvalidConfiguration("Credentials cannot be allowed to every origin: name the origins.")
    if not set(cors.methods) <= set(METHODS):
        raise InvalidConfiguration(f"CORS methods must be some of {', '.join(METHODS)}.")


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
