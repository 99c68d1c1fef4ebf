"""The projects of the platform, which one this process is, and the folders of this clone.

The projects stand in ``projects.toml``. A Django project without such a file stands alone: its name and its
service are ``ATOLL["SERVICE"]``. docs/decisions/0114 has the order of the sources.
"""

import os
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from django.core.exceptions import ImproperlyConfigured

from atoll.conf import options
from atoll.conf.option import in_settings, loaded_settings

LAST_PORT = 65535
TABLE = "projects.toml"
CLONE = Path(__file__).resolve().parents[3]


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
    """The folder that holds ``projects.toml``: ATOLL_ROOT, else this clone.

    Of a project that stands alone it is BASE_DIR of its settings, else the current folder.
    """
    if told := options.ROOT.value():
        return Path(told)
    if (CLONE / TABLE).is_file() and not _names_itself():
        return CLONE
    return Path(getattr(loaded_settings(), "BASE_DIR", None) or Path.cwd())


def home() -> Path:
    """The folder of this clone's engines, secrets and logs: ATOLL_HOME, else ``.atoll``."""
    return Path(options.HOME.value() or root() / ".atoll")


def stands_alone() -> bool:
    """Whether this Django project is in no ``projects.toml``, so that it is the only one."""
    if hasattr(loaded_settings(), "ATOLL_PROJECT"):
        return False
    return _names_itself() or not (root() / TABLE).is_file()


def _names_itself() -> bool:
    return not hasattr(loaded_settings(), "ATOLL_PROJECT") and "SERVICE" in in_settings()


def projects() -> dict[str, Project]:
    """Every project by name, in the order of starting. The process reads ``projects.toml`` once.

    ATOLL_PORT_OFFSET is added to every port, and ATOLL_DATABASE_PREFIX stands before every database
    name, so that two platforms can share a machine: `make test` runs one beside `make up`.
    A project that stands alone is the only one; there is none while nobody has named its service.
    """
    if not stands_alone():
        return _read_table(
            root() / TABLE, os.environ.get("ATOLL_PORT_OFFSET") or "0", options.DATABASE_PREFIX.value()
        )
    service = options.SERVICE.value()
    return {service: _alone(service)} if service else {}


@cache
def _read_table(place: Path, offset: str, prefix: str) -> dict[str, Project]:
    table = tomllib.loads(place.read_text())
    port_offset = _port_offset(offset, max(row["port"] for row in table.values()))
    return {
        name: Project(
            name=name, **row | {"port": row["port"] + port_offset, "database": prefix + row["database"]}
        )
        for name, row in table.items()
    }


def _alone(service: str) -> Project:
    module = getattr(loaded_settings(), "SETTINGS_MODULE", None) or ""
    databases: dict[str, Any] = getattr(loaded_settings(), "DATABASES", {})
    return Project(
        name=service,
        package=module.partition(".")[0],
        service=service,
        port=options.PORT.value(),
        database=str(databases.get("default", {}).get("NAME") or ""),
        server="wsgi",
        worker=True,
    )


def _port_offset(value: str, highest_port: int) -> int:
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


def project_name() -> str:
    """The project of this process: ``settings.ATOLL_PROJECT``, or its service when it stands alone.

    Raises ImproperlyConfigured when nobody has named it.
    """
    from django.conf import settings

    return str(getattr(settings, "ATOLL_PROJECT", "")) or service_name()


def service_name() -> str:
    """This service's name on the wire: ``settings.ATOLL_SERVICE``, else ``ATOLL["SERVICE"]``.

    Raises ImproperlyConfigured when nobody has named it.
    """
    from django.conf import settings

    name = str(getattr(settings, "ATOLL_SERVICE", "")) or options.SERVICE.value()
    if not name:
        raise ImproperlyConfigured(UNNAMED)
    return name


UNNAMED = (
    'This service has no name. Write ATOLL = {"SERVICE": "shop", "BROKER_URL": "amqp://..."} into the '
    "settings, or set ATOLL_SERVICE."
)


def project(name: str) -> Project:
    """The project of that name. Raises ImproperlyConfigured with the known names when there is none."""
    try:
        return projects()[name]
    except KeyError:
        known = ", ".join(projects())
    if stands_alone():
        raise ImproperlyConfigured(
            f"There is no project {name!r} here: {known} stands alone." if known else UNNAMED
        )
    raise ImproperlyConfigured(f"No project {name!r} in projects.toml. There are: {known}.")


def project_of_service(service: str) -> Project:
    """The project with that name on the wire. Raises ImproperlyConfigured when there is none."""
    for candidate in projects().values():
        if candidate.service == service:
            return candidate
    raise ImproperlyConfigured(f"No project in projects.toml is called {service!r} on the wire.")
