"""The gateway's metrics for Prometheus."""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from gateway.edge.upstream.directory import Directory

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
BREAKER_STATES = {"closed": 0, "half-open": 1, "open": 2}


class Metrics:
    def __init__(self, directory: Directory, gauges: dict[str, tuple[str, Callable[[], float]]]) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "gateway_requests", "Requests answered", ["route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "gateway_request_seconds", "Time to answer", ["route"], buckets=BUCKETS_S, registry=self.registry
        )
        self._retries = Counter("gateway_retries", "Requests sent again", ["route"], registry=self.registry)
        self._children: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self._directory = directory
        self._gauges = gauges
        self.registry.register(self)

    def observe(self, route: str, status: int, seconds: float, retries: int) -> None:
        children = self._children.get((route, status))
        if children is None:
            children = (self._requests.labels(route, str(status)), self._seconds.labels(route))
            self._children[(route, status)] = children
        children[0].inc()
        children[1].observe(seconds)
        if retries:
            self._retries.labels(route).inc(retries)

    def render(self) -> bytes:
        return generate_latest(self.registry)

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        """Gauges, read from the upstreams at each scrape."""
        instances = GaugeMetricFamily("gateway_instances", "Instances known", labels=["service"])
        last_known = GaugeMetricFamily(
            "gateway_last_known_instances",
            "Of these, silent ones that are tried because most of their service is silent",
            labels=["service"],
        )
        in_flight = GaugeMetricFamily("gateway_in_flight", "Requests being answered", labels=["service"])
        breaker = GaugeMetricFamily(
            "gateway_breaker", "Circuit breaker: 0 closed, 1 half-open, 2 open", labels=["service"]
        )
        for upstream in self._directory:
            instances.add_metric([upstream.name], len(upstream.endpoints))
            last_known.add_metric(
                [upstream.name], sum(endpoint.is_last_known for endpoint in upstream.endpoints)
            )
            in_flight.add_metric([upstream.name], upstream.in_flight)
            breaker.add_metric([upstream.name], BREAKER_STATES[upstream.breaker.state])
        yield from (instances, last_known, in_flight, breaker)
        for name, (text, value) in self._gauges.items():
            yield GaugeMetricFamily(name, text, value=value())
