"""The services that this process forwards to: their instances, load, health and circuit breakers."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from math import ceil

from atoll.client.budget import Budget
from atoll.discovery.instances import Instance
from gateway.edge.upstream import balance
from gateway.edge.upstream.breaker import Breaker
from gateway.edge.upstream.hedging import Hedging
from gateway.edge.upstream.outliers import Outliers
from gateway.edge.upstream.pool import Origin, Pool
from gateway.edge.upstream.service_breaker import ServiceBreaker
from gateway.edge.upstream.settings import HealthCheck, ServiceSettings

LEAST_WEIGHT = 0.01


class Endpoint:
    """One instance as this process uses it: its connections, its load, its health and its breaker.

    ``attempts`` and ``failures`` count all the attempts that say something about it. ``healthy`` is the
    result of the active health checks, and ``streak`` of those since the last change. ``ejected_until`` is
    that of the outlier detection.
    """

    __slots__ = (
        "asked", "attempts", "breaker", "ejected_until", "ejections", "failed", "failures", "healthy", "id",
        "in_flight", "is_last_known", "origin", "streak", "turn", "weight",
    )  # fmt: skip

    def __init__(self, instance: Instance, origin: Origin, clock: Callable[[], float]) -> None:
        self.id = instance.id
        self.origin = origin
        self.weight = max(instance.weight, LEAST_WEIGHT)
        self.in_flight = 0
        self.is_last_known = instance.is_last_known
        self.breaker = Breaker(clock)
        self.healthy = True
        self.streak = 0
        self.attempts = 0
        self.failures = 0
        self.asked = 0
        self.failed = 0
        self.ejections = 0
        self.ejected_until = 0.0
        self.turn = 0.0

    def load(self) -> float:
        return (self.in_flight + 1) / self.weight

    def why_out(self, now: float) -> str | None:
        """Why a request would go to another endpoint. None when nothing speaks against this one."""
        if not self.healthy:
            return "its health checks fail"
        if now < self.ejected_until:
            return "it fails far more often than its peers"
        return None if self.breaker.may_ask() else "it has failed repeatedly and is given a rest"


Pick = Callable[[Sequence[Endpoint]], Endpoint]
PICKS: dict[str, Pick] = {
    "two-choices": balance.two_choices,
    "round-robin": balance.round_robin,
    "random": balance.at_random,
    "least-connections": balance.least_connections,
}


class Upstream:
    """A service with its endpoints.

    ``all_well`` means that no endpoint is out, so `choose` need not look at each of them. Code that takes
    an endpoint out sets it to False, and `choose` sets it to True again.
    """

    __slots__ = (
        "_clock", "_processes", "all_well", "breaker", "budget", "endpoints", "hedging", "in_flight", "known",
        "max_in_flight", "name", "outliers", "pick", "settings",
    )  # fmt: skip

    def __init__(self, name: str, clock: Callable[[], float], processes: int = 1) -> None:
        self.name = name
        self._processes = processes
        self._clock = clock
        self.endpoints: tuple[Endpoint, ...] = ()
        self.in_flight = 0
        self.breaker = ServiceBreaker(lambda: [endpoint.breaker for endpoint in self.endpoints])
        self.budget = Budget(clock)
        self.outliers = Outliers(clock)
        self.hedging = Hedging()
        self.known = False
        self.all_well = False
        self.configure(ServiceSettings(name))

    def configure(self, settings: ServiceSettings) -> None:
        self.settings = settings
        self.max_in_flight = ceil(settings.max_in_flight / self._processes)
        self.pick = PICKS[settings.strategy]
        self.hedging.configure(settings.hedge)

    @property
    def is_full(self) -> bool:
        return self.in_flight >= self.max_in_flight

    def choose(self, tried: Collection[str] = ()) -> Endpoint | None:
        """The endpoint for the next attempt. None when there is none, or while all breakers are open.

        ``tried`` are the ids of endpoints that the request has met already.
        """
        if self.all_well and not tried:
            return self.pick(self.endpoints)
        candidates = self._candidates(tried)
        return self.pick(candidates) if candidates else None

    def why_out(self, endpoint: Endpoint) -> str | None:
        """`Endpoint.why_out` at this moment."""
        return endpoint.why_out(self._clock())

    def may_try_another(self, tried: Collection[str]) -> bool:
        """Whether an endpoint outside of ``tried`` may be asked and nothing speaks against it."""
        now = self._clock()
        return any(one.id not in tried and one.why_out(now) is None for one in self.endpoints)

    def _candidates(self, tried: Collection[str]) -> Sequence[Endpoint]:
        """Well endpoints, untried ones first. While all are out, those that their breakers allow: their
        health checks and their peers may be wrong."""
        now = self._clock()
        well = [endpoint for endpoint in self.endpoints if endpoint.why_out(now) is None]
        self.all_well = len(well) == len(self.endpoints) > 0 and all(one.breaker.closed for one in well)
        allowed = well or [endpoint for endpoint in self.endpoints if endpoint.breaker.may_ask()]
        return [endpoint for endpoint in allowed if endpoint.id not in tried] or allowed


class Directory:
    """All upstreams by the names of their services.

    Each of the gateway's ``processes`` has an equal share of a service's requests in flight, rounded up.
    """

    def __init__(self, pool: Pool, clock: Callable[[], float], processes: int = 1) -> None:
        self._pool = pool
        self._clock = clock
        self._processes = processes
        self._upstreams: dict[str, Upstream] = {}
        self._settings: Mapping[str, ServiceSettings] = {}

    def __iter__(self) -> Iterator[Upstream]:
        return iter(self._upstreams.values())

    def upstream(self, name: str) -> Upstream:
        found = self._upstreams.get(name)
        if found is None:
            found = self._upstreams[name] = Upstream(name, self._clock, self._processes)
            found.configure(self.settings(name))
        return found

    def settings(self, name: str) -> ServiceSettings:
        return self._settings.get(name) or ServiceSettings(name)

    def health_checks(self) -> dict[str, HealthCheck]:
        """Those of the services that have a path for them."""
        return {name: one.health for name, one in self._settings.items() if one.health.path}

    def configure(self, settings: Mapping[str, ServiceSettings]) -> None:
        """Use the settings of a newly published table. Running requests and breakers are unaffected."""
        self._settings = settings
        for upstream in self._upstreams.values():
            upstream.configure(self.settings(upstream.name))

    def update(self, name: str, instances: Iterable[Instance]) -> None:
        """Replace the endpoints. One that stays keeps its load, health, breaker and connections."""
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
        upstream.endpoints = tuple(endpoints)
        upstream.outliers.readmit(endpoints)
        upstream.all_well = False
        upstream.known = True
