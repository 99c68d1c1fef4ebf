"""Where log lines are: in files on a developer's machine, else with the programs that run the containers."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.conf import settings

from atoll import conf
from atoll.identity.backends import roles_of
from atoll.identity.roles import OPERATOR, SUPPORT, holds_one_of

READERS = (SUPPORT, OPERATOR)
PLACEHOLDERS = ("correlation_id", "service")


def may_read(user: Any) -> bool:
    """Whether the roles of an account open the lines, which hold ids and addresses of customers."""
    return holds_one_of(roles_of(user), READERS)


def files() -> dict[str, Path]:
    """The log of each process by the process's name. Empty in production, where the platform keeps no logs.

    The names come from the folder alone, never from a request.
    """
    if conf.environment() == "production":
        return {}
    return {path.name.removesuffix(".log"): path for path in sorted((conf.home() / "logs").glob("*.log"))}


def elsewhere(*, correlation_id: str = "", service: str = "") -> str:
    """The address of the lines in the log store that LOGS_URL names; empty without one."""
    url: str = settings.LOGS_URL
    for name, value in zip(PLACEHOLDERS, (correlation_id, service), strict=True):
        url = url.replace(f"{{{name}}}", quote(value, safe=""))
    return url
