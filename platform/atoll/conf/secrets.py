"""Secrets of each project, and the file of random ones that ``make up`` makes for this clone."""

import json
from secrets import token_urlsafe

from django.core.exceptions import ImproperlyConfigured

from atoll import privatefile
from atoll.conf.table import home, projects
from atoll.conf.variables import own_name, variable

SECRET_BYTES = 48
SECRET_NAMES = ("SECRET_KEY", "SERVICE_SECRET", "DATABASE_PASSWORD")


def secret(name: str, project_name: str) -> str:
    """One of SECRET_NAMES of a project. SERVICE_SECRET is its credential at users and the registry.

    Raises ImproperlyConfigured when neither a variable nor the file of this clone has it.
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
    """Write a random secret for each project and name that the file of this clone lacks."""
    path = home() / "secrets.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    held = _local_secrets()
    changed = False
    for name in projects():
        for kind in SECRET_NAMES:
            if kind not in held.setdefault(name, {}):
                held[name][kind] = token_urlsafe(SECRET_BYTES)
                changed = True
    if changed:
        privatefile.write(path, json.dumps(held, indent=1))
