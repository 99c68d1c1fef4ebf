"""The values of one route, as they are published."""

from dataclasses import dataclass, fields
from typing import Any, get_args, get_origin

from atoll.identity import roles

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ACCESS = ("public", "signed_in", "staff", "public_read_staff_write", "public_read_signed_in_write")
FOR_ROLES = ("staff", "public_read_staff_write")
ROLES = tuple(role for role in roles.ROLES if role != roles.ADMIN)
AGGREGATES = "aggregates"
BUILTINS = (AGGREGATES,)
# Their names in tables from before.
FORMER_BUILTINS = {"dashboard": AGGREGATES}
MATCHES = ("prefix", "exact")
LIMIT_KEYS = ("user", "address", "api_key", "route")
BAD_TOKEN_STATUSES = (403, 401)
RESERVED = ("/admin", "/static", "/health", "/metrics")
INTERNAL = frozenset((".well-known", "admin", "bus", "docs", "health", "metrics", "schema", "static"))
"""First segments of paths that no route leads to, since they are for operators and other services."""

DEFAULT_BUFFER_BYTES = 1024**2


class InvalidConfiguration(ValueError):
    """The table cannot be published. The text names the route and the change that it needs."""


@dataclass(frozen=True)
class Cors:
    """``origins`` may be ``("*",)`` only without credentials."""

    origins: tuple[str, ...] = ()
    methods: tuple[str, ...] = METHODS
    headers: tuple[str, ...] = ("Authorization", "Content-Type", "Idempotency-Key", "X-Correlation-ID")
    exposed: tuple[str, ...] = (
        "Content-Location", "ETag", "Idempotency-Replayed", "Link", "Location", "RateLimit",
        "RateLimit-Policy", "Retry-After", "WWW-Authenticate", "X-Correlation-ID", "X-Request-ID",
        "X-Response-Time", "X-Total-Count",
    )  # fmt: skip
    credentials: bool = False
    max_age_s: int = 600


@dataclass(frozen=True)
class HeaderMatch:
    """A field that a request must carry. ``name`` is in lower case, ``value`` must be equal."""

    name: str
    value: str


@dataclass(frozen=True)
class Route:
    """One row of the table. The defaults are what a table from before the field means.

    ``service_path`` replaces ``prefix`` at the upstream. With ``match`` "exact", ``prefix`` is the whole
    path. ``hosts`` are names or wildcards such as ``*.example.com``; empty for every host. A request
    must have every field of ``header_matches``. ``roles`` are the roles that ``access`` asks for,
    without the administrator; empty when it asks for none. ``rate_limit`` requests may come per
    ``rate_window_s``; 0 means no limit. ``limit_key`` is what the limit counts by. ``bad_token`` is the
    status for a bad or expired token. ``cors`` replaces the shared rules; None keeps them. A body of up
    to ``buffer_bytes`` is read whole before a service gets the request.
    """

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
    hosts: tuple[str, ...] = ()
    match: str = "prefix"
    header_matches: tuple[HeaderMatch, ...] = ()
    limit_key: str = "user"
    bad_token: int = 403
    cors: Cors | None = None
    buffer_bytes: int = DEFAULT_BUFFER_BYTES
    compress: bool = False
    websocket: bool = False


def read_route(row: dict[str, Any]) -> Route:
    """Raises KeyError, TypeError or AttributeError for a row of another form.

    A table from before routes had roles means the roles that ``staff`` had then.
    """
    given = row.get("roles")
    if given is None:
        given = roles.FORMER_ROLES["staff"] if row["access"] in FOR_ROLES else ()
    cors = row.get("cors")
    return Route(
        **{
            **row,
            "builtin": FORMER_BUILTINS.get(row["builtin"], row["builtin"]),
            "methods": tuple(row["methods"]),
            "roles": tuple(given),
            "hosts": tuple(row.get("hosts", ())),
            "header_matches": tuple(
                HeaderMatch(name, value) for name, value in sorted(row.get("header_matches", {}).items())
            ),
            "cors": None if cors is None else read_cors(cors),
        }
    )


def read_cors(values: dict[str, Any]) -> Cors:
    """Raises TypeError for values of another form."""
    if not isinstance(values, dict):
        raise TypeError("cross-origin rules must be an object")
    given: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    return Cors(**given)


def wrong_type(record: Any) -> str | None:
    """The name of the first field whose value has another type than its dataclass says."""
    for one in fields(record):
        if not _is_a(getattr(record, one.name), one.type):
            return one.name
    return None


def _is_a(value: object, kind: Any) -> bool:
    if get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(_is_a(one, get_args(kind)[0]) for one in value)
    if kind in (int, float):
        return isinstance(value, (int, kind)) and not isinstance(value, bool)
    return isinstance(value, kind)
