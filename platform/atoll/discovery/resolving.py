"""The instances of a service, from one cache for each process, made at its first use.

A forked process makes its own: threads that watch the registry do not survive a fork.
"""

import functools
import os

from django.conf import settings

from atoll import conf
from atoll.discovery.cache import Discovery
from atoll.discovery.instances import Instance
from atoll.discovery.last_good import LastGood
from atoll.discovery.registry import RegistryClient


@functools.cache
def discovery() -> Discovery:
    """The cache of this process. It asks the registry with the credential of the running project."""
    return Discovery(RegistryClient(settings.ATOLL_PROJECT), LastGood(conf.home() / "discovery"))


def resolve(service: str) -> list[Instance]:
    """The healthy instances of a service, from memory; see `Discovery.resolve`.

    Where ``USER_SERVICE_URL`` is set, ``user-service`` is at that address, and no registry is asked.
    """
    fixed = conf.service_url(service)
    return [_at(fixed)] if fixed else discovery().resolve(service)


@functools.lru_cache(maxsize=64)
def _at(url: str) -> Instance:
    return Instance.from_url(url)


os.register_at_fork(after_in_child=discovery.cache_clear)
