"""The upstream services as this process sees them now: instances, load, breakers."""

from collections.abc import Callable, Iterable, Iterator

from atoll.discovery.instances import Instance
from gateway.edge.upstream.breaker import Breaker
from gateway.edge.upstream.pool import Origin, Pool
from gateway.edge.upstream.retry import Budget

MAX_IN_FLIGHT = 400
LEAST_WEIGHT = 0.01


class Target:
    """One instance: where it is, how much it does for us, whether it is trusted to answer."""

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


class Service:
    """``MAX_IN_FLIGHT`` is a bulkhead: a service that hangs holds that many requests, not all."""

    __slots__ = ("breaker", "budget", "in_flight", "known", "name", "targets")

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self.name = name
        self.targets: tuple[Target, ...] = ()
        self.in_flight = 0
        self.breaker = Breaker(clock)
        self.budget = Budget(clock)
        self.known = False

    def candidates(self, tried: set[str]) -> list[Target]:
        """Instances not yet tried whose breaker lets a request through; when every breaker is
        open, all of them (panic: a bad guess is better than certain refusal)."""
        fresh = [target for target in self.targets if target.id not in tried]
        return [target for target in fresh if target.breaker.may_ask()] or fresh


class Directory:
    """Every service by its name on the wire."""

    def __init__(self, pool: Pool, clock: Callable[[], float]) -> None:
        self._pool = pool
        self._clock = clock
        self._services: dict[str, Service] = {}

    def __iter__(self) -> Iterator[Service]:
        return iter(self._services.values())

    def service(self, name: str) -> Service:
        found = self._services.get(name)
        if found is None:
            found = self._services[name] = Service(name, self._clock)
        return found

    def update(self, name: str, instances: Iterable[Instance]) -> None:
        """Replace the list; an instance that stays keeps its load, breaker and connections.

        One that is new, such as the successor of a process that was killed, has just declared
        itself ready: the service's own breaker does not make it wait.
        """
        service = self.service(name)
        held = {(target.id, target.origin): target for target in service.targets}
        targets = []
        for instance in instances:
            host = instance.address or instance.host
            origin = self._pool.origin(host, instance.port, scheme=instance.scheme, name=instance.host)
            target = held.get((instance.id, origin)) or Target(instance, origin, self._clock)
            target.weight = max(instance.weight, LEAST_WEIGHT)
            target.is_last_known = instance.is_last_known
            targets.append(target)
        if any((target.id, target.origin) not in held for target in targets):
            service.breaker.reconsider()
        service.targets = tuple(targets)
        service.known = True
