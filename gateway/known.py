"""Which services there are, for the form of a route."""

import logging

from atoll import conf
from atoll.discovery import RegistryClient
from atoll.errors import AtollError

log = logging.getLogger(__name__)


def known_services(project: str = "gateway") -> frozenset[str]:
    """Those of projects.toml and those that the registry has heard of, without its workers.

    The registry being away leaves those of projects.toml.
    """
    named = {one.service for one in conf.projects().values()}
    try:
        told = RegistryClient(project).services()
    except AtollError as error:
        log.warning("the registry cannot tell which services there are: %s", error)
        told = []
    return frozenset(named | {name for name in told if "." not in name})
