"""The table of projects, ``projects.toml``, and the folders of this clone."""

import os
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from django.core.exceptions import ImproperlyConfigured

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
    """The folder that holds ``projects.toml``: ATOLL_ROOT, else this clone."""
    return Path(os.environ.get("ATOLL_ROOT") or Path(__file__).resolve().parents[3])


def home() -> Path:
    """The folder of this clone's engines, secrets and logs: ATOLL_HOME, else ``.atoll``."""
    return Path(os.environ.get("ATOLL_HOME") or root() / ".atoll")


@cache
def projects() -> dict[str, Project]:
    """Every project by name, in the order of starting. The process reads the file once.

    ATOLL_PORT_OFFSET is added to every port, and ATOLL_DATABASE_PREFIX stands before every database
    name, so that two platforms can share a machine: `make test` runs one beside `make up`.
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
