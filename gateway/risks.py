"""Finds services and paths that a route would open although its editor may not want it."""

from collections.abc import Collection
from dataclasses import dataclass

from gateway.models import Route

REGISTRY = "registry"


@dataclass(frozen=True)
class Risk:
    """``needs_admin``: only an administrator may accept the risk."""

    text: str
    needs_admin: bool


def risks(route: Route, known: Collection[str]) -> list[Risk]:
    """``known`` are the names of services that exist. A built-in handler has no risk."""
    found = []
    if route.service == REGISTRY:
        found.append(Risk("It leads to the registry, which is for services and operators.", True))
    if route.service and not route.service_path and route.match != "exact":
        found.append(
            Risk("Without a service path it opens every address of the service, now and later.", True)
        )
    if route.service and route.service not in known and route.service != REGISTRY:
        found.append(
            Risk(
                f"Nobody knows a service {route.service!r}: the route answers 503 until one registers.", False
            )
        )
    return found
