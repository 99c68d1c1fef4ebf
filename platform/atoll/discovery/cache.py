"""What this process knows about where services run."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from atoll.discovery.belief import Belief
from atoll.discovery.instances import Instance
from atoll.discovery.last_good import LastGood
from atoll.discovery.registry import Answer, RegistryClient
from atoll.discovery.watch import Watch
from atoll.errors import Unavailable

FRESH_S = 30.0


@dataclass
class _Known:
    belief: Belief
    heard_at: float | None
    watch: Watch


class Discovery:
    """Answers from memory; a registry that is away, or has lost its memory, never empties what
    was known (`Belief`).

    The first question about a service waits for the registry once; after that a
    watch keeps the list current and `resolve` never waits. An empty list of a
    service that the registry knows is believed: its instances have left.
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
        self._known: dict[str, _Known] = {}

    def resolve(self, service: str) -> list[Instance]:
        """The instances to choose from; ``[]`` when none is known.

        The list is at most `FRESH_S` old while the registry answers; see `age_s` for when it
        does not.
        """
        known = self._known.get(service)
        if known is None:
            return self._first_look(service)
        if not self._watching and self._is_stale(known):
            self._refresh(service)
        return self._known[service].belief.instances

    def age_s(self, service: str) -> float | None:
        """Seconds since the registry confirmed the list; None when it never did in this process."""
        known = self._known.get(service)
        return None if known is None or known.heard_at is None else self._clock() - known.heard_at

    def close(self) -> None:
        with self._lock:
            for known in self._known.values():
                known.watch.stop()
            self._known.clear()

    def _is_stale(self, known: _Known) -> bool:
        return known.heard_at is None or self._clock() - known.heard_at >= FRESH_S

    def _first_look(self, service: str) -> list[Instance]:
        with self._lock:
            if service in self._known:
                return self._known[service].belief.instances
            belief = Belief(self._last_good.load(service) or [], clock=self._clock)
            try:
                answer = self._registry.discover(service)
            except Unavailable:
                heard_at, index = None, 0
            else:
                heard_at, index = self._clock() - answer.stale_s, answer.index
                self._last_good.save(service, belief.hear(answer))
            watch = Watch(self._registry, service, lambda answer: self._learn(service, answer), index=index)
            self._known[service] = _Known(belief, heard_at, watch)
            if self._watching:
                watch.start()
            return belief.instances

    def _refresh(self, service: str) -> None:
        try:
            self._learn(service, self._registry.discover(service))
        except Unavailable:
            return

    def _learn(self, service: str, answer: Answer) -> None:
        known = self._known.get(service)
        if known is None:
            return
        before = known.belief.instances
        instances = known.belief.hear(answer)
        if instances != before:
            self._last_good.save(service, instances)
        known.heard_at = self._clock() - answer.stale_s
