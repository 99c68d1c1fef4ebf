"""Where the instances of a service are: ``resolve("user-service")``.

One cache per process, made on first use and again after a fork (its watching
threads do not survive one).
"""

import functools
import os

from django.conf import settings

from atoll import conf
from atoll.discovery.cache import Discovery
from atoll.discovery.instances import Instance
from atoll.discovery.last_good import LastGood
from atoll.discovery.registry import RegistryClient

__all__ = ["Discovery", "Instance", "RegistryClient", "discovery", "resolve"]


@functools.cache
def discovery() -> Discovery:
    """This process's cache, asking with the credential of the running project."""
    return Discovery(RegistryClient(settings.ATOLL_PROJECT), LastGood(conf.home() / "discovery"))


def resolve(service: str) -> list[Instance]:
    """The healthy instances of a service, from memory; see `Discovery.resolve`.

    ``USER_SERVICE_URL`` for ``user-service`` replaces discovery, and needs no registry.
    """
    fixed = conf.service_url(service)
    return [Instance.from_url(fixed)] if fixed else discovery().resolve(service)


os.register_at_fork(after_in_child=discovery.cache_clear)
