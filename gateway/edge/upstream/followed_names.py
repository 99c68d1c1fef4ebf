"""Follows the names of services that have an address: resolves them again and again, and keeps the result.

The last addresses stay while a name cannot be resolved. They are on disk, too, so that a gateway that starts
meanwhile has them. Those of SRV records are not.
"""

import asyncio
import logging
import time
from dataclasses import replace

from atoll.discovery.instances import Instance
from atoll.discovery.last_good import LastGood
from atoll.discovery.places import Place
from gateway.edge.upstream import naming
from gateway.edge.upstream.directory import Directory

log = logging.getLogger(__name__)

SAVE_EVERY_S = 60.0


class FollowedNames:
    """``last_good`` keeps the addresses of each service over a restart."""

    def __init__(self, directory: Directory, last_good: LastGood) -> None:
        self._directory = directory
        self._last_good = last_good
        self._found_at: dict[str, float] = {}
        self._saved_at: dict[str, float] = {}

    def ages_s(self) -> dict[str, float]:
        """For each service with a name: the seconds since its addresses were found.

        After a restart it may be too high by `SAVE_EVERY_S`, and never too low.
        """
        now = time.time()
        return {service: max(0.0, now - at) for service, at in self._found_at.items()}

    def forget(self, service: str) -> None:
        self._found_at.pop(service, None)

    async def follow(self, service: str, place: Place) -> None:
        """Update the directory until the task is cancelled."""
        named = place.instance()
        if naming.is_address(named.host):
            self._directory.update(service, await naming.instances_of(named))
            return
        held = self._kept(service, named) if place.kind != "srv" else []
        if held:
            self._directory.update(service, held)
        failed = False
        while True:
            pause_s = naming.RESOLVE_EVERY_S
            try:
                found, pause_s = await naming.find(place)
                # SRV records may change their weights alone.
                is_new = found != held or place.kind == "srv"
                if is_new or not found:
                    self._directory.update(service, found)
                self._keep(service, found, is_new=is_new)
                failed, held = False, found
            except (OSError, ValueError) as error:
                if not failed:
                    log.warning(
                        "%s of %s cannot be resolved, its addresses stay: %s", named.host, service, error
                    )
                    if not held:
                        # Those of a former URL do not stay.
                        self._directory.update(service, [])
                failed = True
            await asyncio.sleep(pause_s)

    def _kept(self, service: str, named: Instance) -> list[Instance]:
        """The addresses on disk, if they are of this name."""
        known = [
            replace(named, id=one.id, address=one.address)
            for one in self._last_good.load(service) or ()
            if (one.host, one.port) == (named.host, named.port) and one.address
        ]
        found_at = self._last_good.saved_at(service)
        if known and found_at is not None:
            self._found_at[service] = found_at
        return known

    def _keep(self, service: str, found: list[Instance], *, is_new: bool) -> None:
        now = self._found_at[service] = time.time()
        if is_new or now - self._saved_at.get(service, 0.0) >= SAVE_EVERY_S:
            self._saved_at[service] = now
            self._last_good.save(service, found)
