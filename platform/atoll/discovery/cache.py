"""The instances of services, in the memory of this process."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from atoll.discovery.answers import Answer
from atoll.discovery.instances import Instance
from atoll.discovery.known_instances import KnownInstances
from atoll.discovery.last_good import LastGood
from atoll.discovery.registry import RegistryClient
from atoll.discovery.watch import Watch
from atoll.errors import Unavailable

FRESH_S = 30.0


@dataclass
class _Watched:
    known: KnownInstances
    heard_at: float | None
    watch: Watch


class Discovery:
    """A registry that is away, or that lost its memory, never empties a list (`KnownInstances`).

    The first `resolve` of a service waits for the registry once. From then on a watch keeps the list
    current, and `resolve` does not wait. The list becomes empty when a registry that knows the service
    says that it has no instance.
    """

    def __init__(
        self,
        registry: RegistryClient,
        last_good: LastGood,
        *,
        clock: Callable[[], float] = time.monotonic,
        watching: bool = True,
    ) -> None:
        self._registry = registry
        self._last_good = last_good
        self._clock = clock
        self._watching = watching
        self._lock = threading.Lock()
        self._watched: dict[str, _Watched] = {}

    def resolve(self, service: str) -> list[Instance]:
        """The instances to choose from; ``[]`` when none is known.

        While the registry answers, the list is at most `FRESH_S` old. `age_s` gives its age.
        """
        watched = self._watched.get(service)
        if watched is None:
            return self._start_watch(service)
        if not self._watching and self._is_stale(watched):
            self._refresh(service)
        return self._watched[service].known.instances

    def age_s(self, service: str) -> float | None:
        """Seconds since the registry confirmed the list; None when this process never heard from it."""
        watched = self._watched.get(service)
        return None if watched is None or watched.heard_at is None else self._clock() - watched.heard_at

    def close(self) -> None:
        with self._lock:
            for watched in self._watched.values():
                watched.watch.stop()
            self._watched.clear()

    def _is_stale(self, watched: _Watched) -> bool:
        return watched.heard_at is None or self._clock() - watched.heard_at >= FRESH_S

    def _start_watch(self, service: str) -> list[Instance]:
        with self._lock:
            if service in self._watched:
                return self._watched[service].known.instances
            known = KnownInstances(self._last_good.load(service) or [], clock=self._clock)
            try:
                answer = self._registry.discover(service)
            except Unavailable:
                heard_at, index = None, 0
            else:
                heard_at, index = self._clock() - answer.stale_s, answer.index
                self._last_good.save(service, known.update(answer))
            watch = Watch(self._registry, service, lambda answer: self._learn(service, answer), index=index)
            self._watched[service] = _Watched(known, heard_at, watch)
            if self._watching:
                watch.start()
            return known.instances

    def _refresh(self, service: str) -> None:
        try:
            self._learn(service, self._registry.discover(service))
        except Unavailable:
            return

    def _learn(self, service: str, answer: Answer) -> None:
        watched = self._watched.get(service)
        if watched is None:
            return
        before = watched.known.instances
        instances = watched.known.update(answer)
        if instances != before:
            self._last_good.save(service, instances)
        watched.heard_at = self._clock() - answer.stale_s
