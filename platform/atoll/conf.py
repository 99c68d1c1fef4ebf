"""Configuration, read once from the environment and converted once.

Where a value comes from, first match wins:

1. the project's own variable: ``ORDERS_DATABASE_URL``;
2. the plain variable: ``DATABASE_URL``;
3. for engines, the embedded ones that ``make up`` or ``make test`` started
   (``$ATOLL_HOME/engines.json``); for secrets, ``$ATOLL_HOME/secrets.json``,
   made with random values for this clone.

Nothing has a built-in secret: a process without one refuses to start.
"""

import json
import os
import secrets
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from atoll import privatefile

SECRET_BYTES = 48
LAST_PORT = 65535


@dataclass(frozen=True, kw_only=True)
class Project:
    """One row of ``projects.toml``."""

    name: str
    package: str
    service: str
    port: int
    database: str
    server: Literal["wsgi", "asgi"]
    worker: bool

    @property
    def settings_module(self) -> str:
        return f"{self.package}.settings"

    @property
    def role(self) -> str:
        """The PostgreSQL role that owns the project's database and reaches no other."""
        return self.database.removesuffix("_db")


def root() -> Path:
    """The folder that holds ``projects.toml``."""
    return Path(os.environ.get("ATOLL_ROOT") or Path(__file__).resolve().parents[2])


def home() -> Path:
    """Where this clone keeps its engines, secrets and logs; ``.atoll`` unless ATOLL_HOME says."""
    return Path(os.environ.get("ATOLL_HOME") or root() / ".atoll")


@cache
def projects() -> dict[str, Project]:
    """Every project by name, in the order they should start.

    A second platform on the same machine (the journeys of `make test` beside a
    running `make up`) moves aside with ATOLL_PORT_OFFSET, added to every port,
    and ATOLL_DATABASE_PREFIX, put before every database name.
    """
    table = tomllib.loads((root() / "projects.toml").read_text())
    port_offset = _port_offset(max(row["port"] for row in table.values()))
    prefix = os.environ.get("ATOLL_DATABASE_PREFIX") or ""
    return {
        name: Project(
            name=name, **row | {"port": row["port"] + port_offset, "database": prefix + row["database"]}
        )
        for name, row in table.items()
    }


def _port_offset(highest_port: int) -> int:
    value = os.environ.get("ATOLL_PORT_OFFSET") or "0"
    try:
        offset = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"ATOLL_PORT_OFFSET={value!r} is not a number.") from None
    if not 0 <= offset <= LAST_PORT - highest_port:
        raise ImproperlyConfigured(
            f"ATOLL_PORT_OFFSET={value} leads to ports that do not exist: "
            f"it goes from 0 to {LAST_PORT - highest_port}."
        )
    return offset


def project(name: str) -> Project:
    try:
        return projects()[name]
    except KeyError:
        known = ", ".join(projects())
        raise ImproperlyConfigured(f"No project {name!r} in projects.toml. There are: {known}.") from None


def project_of_service(service: str) -> Project:
    for candidate in projects().values():
        if candidate.service == service:
            return candidate
    raise ImproperlyConfigured(f"No project in projects.toml is called {service!r} on the wire.")


def own_name(name: str, project_name: str) -> str:
    """What a variable is called that counts for one project alone: ``ORDERS_DATABASE_URL``."""
    return f"{project_name.upper().replace('-', '_')}_{name}"


def own_variable(name: str, project_name: str) -> str | None:
    """The project's own variable; an empty value counts as absent."""
    return os.environ.get(own_name(name, project_name)) or None


def variable(name: str, project_name: str | None = None) -> str | None:
    """The project's own variable, else the plain one; an empty value counts as absent."""
    own = own_variable(name, project_name) if project_name else None
    return own or os.environ.get(name) or None


def flag(name: str, default: bool = False, project_name: str | None = None) -> bool:
    value = variable(name, project_name)
    if value is None:
        return default
    if value.lower() in {"1", "true", "yes", "on"}:
        return True
    if value.lower() in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name}={value!r} is neither true nor false.")


def seconds(name: str, default: float, project_name: str | None = None) -> float:
    value = variable(name, project_name)
    if value is None:
        return default
    try:
        return float(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name}={value!r} is not a number of seconds.") from None


def whole_number(name: str, default: int, project_name: str | None = None) -> int:
    """A number from 1. Raises ImproperlyConfigured for anything else."""
    value = variable(name, project_name)
    if value is None:
        return default
    if not (value.isascii() and value.isdigit() and int(value) > 0):
        raise ImproperlyConfigured(f"{name}={value!r} is not a whole number from 1.")
    return int(value)


def web_address(name: str, project_name: str | None = None) -> str:
    """An http or https address of a page, to which a fragment can be added; empty when it is not set."""
    value = variable(name, project_name)
    if value is None:
        return ""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "#" in value or not value.isprintable():
        raise ImproperlyConfigured(f"{name}={value!r} is not https://host/path without a part after #.")
    return value


def environment() -> str:
    """``production`` unless ATOLL_ENV says ``development`` (``make up``) or ``test``."""
    return os.environ.get("ATOLL_ENV") or "production"


def engines() -> dict[str, Any]:
    """The embedded engines' addresses, or ``{}`` when none were started here.

    Keys: ``postgres`` {host, port}, ``redis_url``, ``broker_url``.
    """
    path = Path(os.environ.get("ATOLL_ENGINES") or home() / "engines.json")
    return privatefile.read_json(path)


def _missing(name: str, what: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(
        f"{name} is not set and no embedded {what} is running here. "
        f"Start the platform with `make up`, or set {name} (see .env.example)."
    )


def database(name: str) -> dict[str, Any]:
    """Django's ``DATABASES["default"]`` for one project.

    A URL without a path (``postgres://user:password@host:5432``) names the
    server only, and the project's own database name is added.
    """
    row = project(name)
    shared: dict[str, Any] = {
        "ENGINE": "atoll.postgresql",
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 5, "application_name": row.service},
        "TEST": {"NAME": f"test_{row.database}"},
    }
    url = variable("DATABASE_URL", name)
    if url:
        parts = urlsplit(url)
        if parts.scheme not in {"postgres", "postgresql"}:
            raise ImproperlyConfigured(
                f"DATABASE_URL of {name} must be postgres://..., not {parts.scheme}://"
            )
        return shared | {
            "NAME": unquote(parts.path.lstrip("/")) or row.database,
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": unquote(parts.hostname or ""),
            "PORT": str(parts.port or ""),
        }
    postgres = engines().get("postgres")
    if not postgres:
        raise _missing("DATABASE_URL", "PostgreSQL")
    return shared | {
        "NAME": row.database,
        "USER": row.role,
        "PASSWORD": secret("DATABASE_PASSWORD", name),
        "HOST": postgres["host"],
        "PORT": str(postgres["port"]),
    }


def redis_url() -> str:
    """One Redis-protocol server for cache and counters; keys carry the project's name."""
    url = variable("REDIS_URL") or engines().get("redis_url")
    if not url:
        raise _missing("REDIS_URL", "Valkey")
    return str(url)


def broker_url(project_name: str | None = None) -> str:
    """``amqp://`` RabbitMQ in production; the embedded Valkey through kombu on one machine.

    A project may have a URL of its own, and with it an account of its own at the broker.
    """
    url = variable("RABBITMQ_URL", project_name) or engines().get("broker_url")
    if not url:
        raise _missing("RABBITMQ_URL", "broker")
    return str(url)


def cache_settings(name: str) -> dict[str, Any]:
    """Django's ``CACHES``: the shared server under the project's own key prefix."""
    return {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": redis_url(),
            "KEY_PREFIX": name,
            "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},
        }
    }


def registry_url() -> str:
    return (variable("REGISTRY_URL") or f"http://127.0.0.1:{project('registry').port}").rstrip("/")


def gateway_url() -> str:
    return (variable("GATEWAY_URL") or f"http://127.0.0.1:{project('gateway').port}").rstrip("/")


def service_url(service: str) -> str | None:
    """A fixed address that replaces discovery: ``USER_SERVICE_URL`` for ``user-service``."""
    return variable(f"{service.upper().replace('-', '_')}_URL")


def allowed_hosts() -> list[str]:
    value = variable("ALLOWED_HOSTS")
    if value:
        return [host.strip() for host in value.split(",") if host.strip()]
    return ["localhost", "127.0.0.1", "[::1]"]


def trusted_origins() -> list[str]:
    """Origins that may post to the admins behind another host name, from CSRF_TRUSTED_ORIGINS."""
    value = variable("CSRF_TRUSTED_ORIGINS")
    return [origin.strip() for origin in value.split(",") if origin.strip()] if value else []


SECRET_NAMES = ("SECRET_KEY", "SERVICE_SECRET", "DATABASE_PASSWORD")


def secret(name: str, project_name: str) -> str:
    """``SECRET_KEY``, ``SERVICE_SECRET`` (the project's credential at users and the
    registry) or ``DATABASE_PASSWORD`` of one project.

    Raises ImproperlyConfigured when it is set nowhere: there is no default.
    """
    value = variable(name, project_name) or _local_secrets().get(project_name, {}).get(name)
    if not value:
        own = own_name(name, project_name)
        raise ImproperlyConfigured(
            f"{own} is not set. On a machine of your own `make up` makes one; elsewhere set {own} "
            f"or {name} to a long random value (see .env.example)."
        )
    return str(value)


def _local_secrets() -> dict[str, dict[str, str]]:
    return privatefile.read_json(home() / "secrets.json")


def ensure_local_secrets() -> None:
    """Give every project of this clone its random secrets; what is already there stays."""
    path = home() / "secrets.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    held = _local_secrets()
    changed = False
    for name in projects():
        for kind in SECRET_NAMES:
            if kind not in held.setdefault(name, {}):
                held[name][kind] = secrets.token_urlsafe(SECRET_BYTES)
                changed = True
    if changed:
        privatefile.write(path, json.dumps(held, indent=1))
