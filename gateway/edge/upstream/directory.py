"""The services that this process forwards to: their instances, load and circuit breakers."""

from collections.abc import Callable, Iterable, Iterator

from atoll.client.budget import Budget
from atoll.discovery.instances import Instance
from gateway.edge.upstream.breaker import Breaker
from gateway.edge.upstream.pool import Origin, Pool

MAX_IN_FLIGHT = 400
LEAST_WEIGHT = 0.01


class Endpoint:
    """One instance as this process uses it: its connections, its load and its breaker."""

    __slots__ = ("breaker", "id", "in_flight", "is_last_known", "origin", "weight")

    def __init__(self, instance: Instance, origin: Origin, clock: Callable[[], float]) -> None:
        self.id = instance.id
        self.origin = origin
        self.weight = max(instance.weight, LEAST_WEIGHT)
        self.in_flight = 0
        self.is_last_known = instance.is_last_known
        self.breaker = Breaker(clock)

    def load(self) -> float:
        return (self.in_flight + 1) / self.weight


class Upstream:
    """A service with its endpoints. ``MAX_IN_FLIGHT`` bounds the requests that a hanging service holds."""

    __slots__ = ("breaker", "budget", "endpoints", "in_flight", "known", "name")

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self.name = name
        self.endpoints: tuple[Endpoint, ...] = ()
        self.in_flight = 0
        self.breaker = Breaker(clock)
        self.budget = Budget(clock)
        self.known = False

    def candidates(self, tried: set[str]) -> list[Endpoint]:
        """Endpoints outside of ``tried`` whose breaker is closed or may probe.

        When all breakers are open, all endpoints: an attempt may succeed, a refusal cannot.
        """
        fresh = [endpoint for endpoint in self.endpoints if endpoint.id not in tried]
        return [endpoint for endpoint in fresh if endpoint.breaker.may_ask()] or fresh


class Directory:
    """All upstreams by the names of their services."""

    def __init__(self, pool: Pool, clock: Callable[[], float]) -> None:
        self._pool = pool
        self._clock = clock
        self._upstreams: dict[str, Upstream] = {}

    def __iter__(self) -> Iterator[Upstream]:
        return iter(self._upstreams.values())

    def upstream(self, name: str) -> Upstream:
        found = self._upstreams.get(name)
        if found is None:
            found = self._upstreams[name] = Upstream(name, self._clock)
        return found

    def update(self, name: str, instances: Iterable[Instance]) -> None:
        """Replace the endpoints. One that stays keeps its load, breaker and connections.

        A new instance has just declared itself ready, so the upstream's breaker probes it at once.
        """
        upstream = self.upstream(name)
        held = {(endpoint.id, endpoint.origin): endpoint for endpoint in upstream.endpoints}
        endpoints = []
        for instance in instances:
            host = instance.address or instance.host
            origin = self._pool.origin(host, instance.port, scheme=instance.scheme, name=instance.host)
            endpoint = held.get((instance.id, origin)) or Endpoint(instance, origin, self._clock)
            endpoint.weight = max(instance.weight, LEAST_WEIGHT)
            endpoint.is_last_known = instance.is_last_known
            endpoints.append(endpoint)
        if any((endpoint.id, endpoint.origin) not in held for endpoint in endpoints):
            upstream.breaker.reconsider()
        upstream.endpoints = tuple(endpoints)
        upstream.known = True
