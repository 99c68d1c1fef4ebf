"""Follows the instances of services with one blocking read of the registry for each service.

``GET /discover/{service}?index=&wait=`` returns when the instances change (docs/decisions/0003). While
the registry is away, or has lost its data, the last good list stays (`KnownInstances`), also across a
restart. ``USER_SERVICE_URL`` names another place for ``user-service``, else the URL that an operator has set
for a service, else ``DISCOVERY`` (`atoll.discovery.places`, `FollowedNames`).
"""

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from typing import Any
from urllib.parse import urlsplit

from atoll import conf
from atoll.backoff import Backoff
from atoll.discovery.answers import INDEX_HEADER, STALE_HEADER, STATE_HEADER, Answer
from atoll.discovery.instances import Instance
from atoll.discovery.known_instances import KnownInstances
from atoll.discovery.last_good import LastGood
from atoll.discovery.places import Place, place_of, read_place
from gateway.edge.error_responses import ErrorResponse
from gateway.edge.upstream.directory import Directory
from gateway.edge.upstream.fetch import Fetcher
from gateway.edge.upstream.followed_names import FollowedNames

log = logging.getLogger(__name__)

REGISTRY = "registry"
HEADERS = {name.lower().encode(): name for name in (INDEX_HEADER, STATE_HEADER, STALE_HEADER)}
WAIT_S = 25
ANSWER_MARGIN_S = 5.0
LAST_RETRY_S = 5.0
LEAST_PAUSE_S = 0.02


class Discovery:
    """Updates the directory. `watch` may be called again with more services."""

    def __init__(
        self,
        directory: Directory,
        fetcher: Fetcher,
        last_good: LastGood,
        *,
        registry_url: str,
        credential: bytes,
        names: FollowedNames,
    ) -> None:
        self._directory = directory
        self._fetcher = fetcher
        self._last_good = last_good
        self._names = names
        self._fields = b"authorization: %b\r\nx-service-name: api-gateway\r\n" % credential
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._places: dict[str, Place] = {}
        directory.update(REGISTRY, [Instance.from_url(registry_url)])
        self._prefix = urlsplit(registry_url).path.rstrip("/")

    def watch(self, services: Iterable[str]) -> None:
        """Follow these services. One whose URL has changed is followed from its new source."""
        for service in services:
            place = self._place_of(service)
            before = self._places.get(service)
            if service == REGISTRY or before == place:
                continue
            self._places[service] = place
            self._names.forget(service)
            if service in self._tasks:
                self._tasks[service].cancel()
            following = (
                self._names.follow(service, place)
                if place.kind != "registry"
                else self._from_registry(service, was_named=before is not None)
            )
            self._tasks[service] = asyncio.get_running_loop().create_task(following)

    def _place_of(self, service: str) -> Place:
        """Raises ImproperlyConfigured for an invalid setting."""
        url = self._directory.settings(service).url
        if url and conf.service_url(service) is None:
            return read_place(f"the URL of {service}", url)
        return place_of(service)

    def stop(self) -> None:
        for task in self._tasks.values():
            task.cancel()

    def _from_registry(self, service: str, *, was_named: bool) -> Coroutine[Any, Any, None]:
        """``was_named``: the addresses of a former URL must go, whatever the registry knows."""
        known = KnownInstances(self._last_good.load(service) or [])
        if known.instances or was_named:
            self._directory.update(service, known.instances)
        return self._follow(service, known)

    async def _follow(self, service: str, known: KnownInstances) -> None:
        index, backoff = 0, Backoff(last_s=LAST_RETRY_S)
        while True:
            try:
                index = await self._ask(service, known, index)
                backoff.reset()
                await asyncio.sleep(LEAST_PAUSE_S)
            except (ErrorResponse, ValueError) as error:
                if backoff.is_fresh:
                    log.warning(
                        "the registry cannot be read, the last instances of %s stay: %s", service, error
                    )
                await asyncio.sleep(backoff.failed())
                index = 0

    async def _ask(self, service: str, known: KnownInstances, index: int) -> int:
        query = f"?index={index}&wait={WAIT_S}" if index else ""
        reply = await self._fetcher.get(
            REGISTRY,
            f"{self._prefix}/discover/{service}{query}",
            self._fields,
            timeout_s=(WAIT_S if index else 0) + ANSWER_MARGIN_S,
        )
        if reply.status != 200:
            raise ValueError(f"the registry answered {reply.status}")
        try:
            headers = {
                HEADERS[name]: value.decode() for name, value in reply.headers.items() if name in HEADERS
            }
            answer = Answer.read(reply.json(), headers)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"the registry's answer cannot be read: {error}") from error
        before = list(known.instances)
        instances = known.update(answer)
        if answer.index != index or instances != before:
            self._directory.update(service, instances)
            self._last_good.save(service, instances)
        return answer.index
