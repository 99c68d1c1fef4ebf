"""The instances of a service, from one memory for each process, made at its first use.

A forked process makes its own: threads that watch the registry do not survive a fork.
"""

import functools
import os
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured

from atoll import conf
from atoll.discovery.cache import Discovery
from atoll.discovery.instances import Instance
from atoll.discovery.last_good import LastGood
from atoll.discovery.places import FORMS, place_of
from atoll.discovery.registry import RegistryClient

if TYPE_CHECKING:
    from atoll.discovery.followed_names import FollowedNames


@functools.cache
def discovery() -> Discovery:
    """The lists of the registry in this process. It asks with the credential of the running project."""
    return Discovery(RegistryClient(conf.project_name()), LastGood(conf.home() / "discovery"))


@functools.cache
def followed_names() -> "FollowedNames":
    """The names in DNS that this process follows."""
    # A process that follows no name does not load the resolver.
    from atoll.discovery.followed_names import FollowedNames

    return FollowedNames()


def resolve(service: str) -> list[Instance]:
    """The instances of a service to choose from, at the place that the settings name (`places`).

    From memory, but for the first call. From the registry the list may be empty; DNS raises NoInstance then,
    and Unavailable when it has never answered. Raises ImproperlyConfigured for an invalid setting, and where
    the registry is to be asked and the project has no credential for it.
    """
    place = place_of(service)
    match place.kind:
        case "fixed":
            return [place.instance()]
        case "registry":
            return _at_registry(service).resolve(service)
    return followed_names().resolve(service, place)


def age_s(service: str) -> float | None:
    """Seconds since registry or DNS confirmed the list. None for a list that nobody has confirmed, and for
    a fixed address."""
    place = place_of(service)
    match place.kind:
        case "fixed":
            return None
        case "registry":
            return _at_registry(service).age_s(service)
    return followed_names().age_s(place)


def _at_registry(service: str) -> Discovery:
    try:
        return discovery()
    except ImproperlyConfigured as error:
        raise ImproperlyConfigured(
            f"{service} is looked up at the registry, which this project cannot ask: {error} "
            f"Without a registry set {conf.service_variable(service)}, or DISCOVERY for all services, to "
            f"{FORMS}."
        ) from error


def forget() -> None:
    """Look everything up anew, like after a restart."""
    discovery.cache_clear()
    followed_names.cache_clear()


os.register_at_fork(after_in_child=forget)
