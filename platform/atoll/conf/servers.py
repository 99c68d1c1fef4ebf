"""Addresses and settings of the database, the cache and the broker."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from atoll import privatefile
from atoll.conf.secrets import secret
from atoll.conf.table import Project, home, project, stands_alone
from atoll.conf.variables import variable


def engines() -> dict[str, Any]:
    """The addresses of the embedded engines of this clone, or ``{}`` when none was started.

    Keys: ``postgres`` {host, port}, ``redis_url``, ``broker_url``.
    """
    path = Path(os.environ.get("ATOLL_ENGINES") or home() / "engines.json")
    return privatefile.read_json(path)


def database(name: str) -> dict[str, Any]:
    """Django's ``DATABASES["default"]`` for one project.

    DATABASE_URL may name the server alone (``postgres://user:password@host:5432``): the project's
    database is the one of its row in projects.toml. Without the variable the embedded PostgreSQL serves.
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
    return shared | (_named(url, row) if url else _embedded(row))


def _named(url: str, row: Project) -> dict[str, str]:
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured(
            f"DATABASE_URL of {row.name} must be postgres://..., not {parts.scheme}://"
        )
    return {
        "NAME": unquote(parts.path.lstrip("/")) or row.database,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
    }


def _embedded(row: Project) -> dict[str, str]:
    postgres = engines().get("postgres")
    if not postgres:
        raise _missing("DATABASE_URL", "PostgreSQL")
    return {
        "NAME": row.database,
        "USER": row.role,
        "PASSWORD": secret("DATABASE_PASSWORD", row.name),
        "HOST": postgres["host"],
        "PORT": str(postgres["port"]),
    }


def redis_url() -> str:
    """The server for caches and counters, shared by all projects; keys begin with the project's name."""
    url = variable("REDIS_URL") or engines().get("redis_url")
    if not url:
        raise _missing("REDIS_URL", "Valkey")
    return str(url)


def broker_url(project_name: str | None = None) -> str:
    """RabbitMQ (``amqp://``) by RABBITMQ_URL or ``ATOLL["BROKER_URL"]``, else the embedded Valkey.

    A project's own RABBITMQ_URL gives it an account of its own at the broker.
    """
    url = variable("RABBITMQ_URL", project_name) or engines().get("broker_url")
    if not url and stands_alone():
        raise ImproperlyConfigured('ATOLL["BROKER_URL"] (or RABBITMQ_URL) does not name the broker.')
    if not url:
        raise _missing("RABBITMQ_URL", "broker")
    return str(url)


def cache_settings(name: str) -> dict[str, Any]:
    """Django's ``CACHES`` for one project."""
    return {
        "default": {
            "BACKEND": "atoll.redis_cache.RedisCache",
            "LOCATION": redis_url(),
            "KEY_PREFIX": name,
            "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},
        }
    }


def _missing(name: str, what: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(
        f"{name} is not set and no embedded {what} is running here. "
        f"Start the platform with `make up`, or set {name} (see .env.example)."
    )
