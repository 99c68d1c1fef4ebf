"""The state that all clients of this process share: breakers, running requests, retry budgets.

A client made for one call then knows of the failures that other clients met.
"""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from atoll.client.breaker import Breaker
from atoll.client.budget import Budget
from atoll.client.metrics import show_open_breakers
from atoll.client.transport import Transport
from atoll.discovery.instances import Instance

Key = tuple[str, str]


class Pool:
    def __init__(
        self,
        transport: Transport | None = None,
        *,
        make_breaker: Callable[[], Breaker] = Breaker,
        make_budget: Callable[[], Budget] = Budget,
    ) -> None:
        self.transport = transport or Transport()
        self._make_breaker = make_breaker
        self._breakers: dict[Key, Breaker] = {}
        self._budgets: defaultdict[str, Budget] = defaultdict(make_budget)
        self._running: Counter[Key] = Counter()
        self._lock = threading.Lock()

    def breaker(self, service: str, instance: Instance) -> Breaker:
        with self._lock:
            key = (service, instance.id)
            if key not in self._breakers:
                self._breakers[key] = self._make_breaker()
            return self._breakers[key]

    def budget(self, service: str) -> Budget:
        with self._lock:
            return self._budgets[service]

    def in_flight(self, service: str, instance: Instance) -> int:
        return self._running[(service, instance.id)]

    @contextmanager
    def running(self, service: str, instance: Instance) -> Iterator[None]:
        key = (service, instance.id)
        with self._lock:
            self._running[key] += 1
        try:
            yield
        finally:
            with self._lock:
                self._running[key] -= 1
                if not self._running[key]:
                    del self._running[key]

    def forget_others(self, service: str, instances: Sequence[Instance]) -> None:
        """Drop the breakers of all other instances of the service: no instance takes the id of another."""
        current = {instance.id for instance in instances}
        with self._lock:
            gone = [key for key in self._breakers if key[0] == service and key[1] not in current]
            for key in gone:
                del self._breakers[key]
        if gone:
            self.show_breakers(service)

    def show_breakers(self, service: str) -> None:
        """Let ``/metrics`` tell how many breakers of the service are not closed."""
        with self._lock:
            found = [breaker for (name, _), breaker in self._breakers.items() if name == service]
            show_open_breakers(service, sum(breaker.state != "closed" for breaker in found))
