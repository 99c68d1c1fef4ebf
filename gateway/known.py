"""Lists the services that the form of a route offers."""

import logging

from atoll import conf
from atoll.discovery import RegistryClient
from atoll.errors import AtollError

log = logging.getLogger(__name__)


def known_services(project: str = "gateway") -> frozenset[str]:
    """The services of projects.toml and of the registry, without workers.

    Only those of projects.toml while the registry is away.
    """
    named = {one.service for one in conf.projects().values()}
    try:
        told = RegistryClient(project).services()
    except AtollError as error:
        log.warning("the services of the registry cannot be read: %s", error)
        told = []
    return frozenset(named | {name for name in told if "." not in name})
