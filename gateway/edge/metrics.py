"""The gateway's metrics. Each edge process counts; the parent process adds the counts up.

A count costs a request about a microsecond, a fifth of prometheus_client's.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from gateway.edge.upstream.directory import Directory
from gateway.edge.upstream.followed_names import FollowedNames

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
BREAKER_STATES = {"closed": 0, "half-open": 1, "open": 2}

Gauges = dict[str, tuple[str, Callable[[], float]]]
# Of several processes, the largest value says more than the sum.
LARGEST = frozenset(
    {
        "gateway_breaker",
        "gateway_instance_out",
        "gateway_instances",
        "gateway_last_known_instances",
        "gateway_name_age_seconds",
        "gateway_routing_table_version",
    }
)
PER_SERVICE = {
    "gateway_instances": "Instances known",
    "gateway_last_known_instances": "Of these, silent ones that are tried: most of the service is silent",
    "gateway_in_flight": "Requests being answered",
    "gateway_breaker": "Circuit breaker: 0 closed, 1 half-open, 2 open",
    "gateway_name_age_seconds": "Since the name in the URL of the service was resolved",
}
COUNTED_PER_SERVICE = {
    "gateway_hedges": "Requests sent to a second instance, since the first was slow",
    "gateway_hedges_won": "Of these, those that the second instance answered first",
}
PER_INSTANCE = {
    "gateway_instance_in_flight": ("Requests at the instance", ("service", "instance")),
    "gateway_instance_out": ("Instances that get no request now", ("service", "instance", "reason")),
}
COUNTED_PER_INSTANCE = {
    "gateway_instance_requests": "Requests sent to the instance, repeated ones included",
    "gateway_instance_failures": "Of these, those without an answer and with one of 500 to 599",
}
SEPARATOR = "\t"


class Metrics:
    def __init__(self, directory: Directory, names: FollowedNames, gauges: Gauges) -> None:
        self._counts: dict[tuple[str, int], int] = {}
        self._times: dict[str, list[float]] = {}
        self._retries: dict[str, int] = {}
        self._directory = directory
        self._names = names
        self._gauges = gauges

    def observe(self, route: str, status: int, seconds: float, retries: int) -> None:
        key = (route, status)
        counts = self._counts
        counts[key] = counts.get(key, 0) + 1
        times = self._times.get(route)
        if times is None:
            times = self._times[route] = [0.0] * (len(BUCKETS_S) + 2)
        times[bisect_left(BUCKETS_S, seconds)] += 1
        times[-1] += seconds
        if retries:
            self._retries[route] = self._retries.get(route, 0) + retries

    def state(self) -> dict[str, Any]:
        """All figures as JSON data, for `merged` and `render`."""
        services: dict[str, dict[str, float]] = {name: {} for name in PER_SERVICE}
        for upstream in self._directory:
            services["gateway_instances"][upstream.name] = len(upstream.endpoints)
            services["gateway_last_known_instances"][upstream.name] = sum(
                endpoint.is_last_known for endpoint in upstream.endpoints
            )
            services["gateway_in_flight"][upstream.name] = upstream.in_flight
            services["gateway_breaker"][upstream.name] = BREAKER_STATES[upstream.breaker.state]
        services["gateway_name_age_seconds"] = self._names.ages_s()
        return {
            "requests": {f"{route} {status}": count for (route, status), count in self._counts.items()},
            "times": self._times,
            "retries": self._retries,
            "services": services,
            "service_counts": self._service_counts(),
            "instances": self._instances(),
            "instance_counts": self._instance_counts(),
            "gauges": {name: value() for name, (_, value) in self._gauges.items()},
            "texts": {name: text for name, (text, _) in self._gauges.items()},
        }

    def _service_counts(self) -> dict[str, dict[str, float]]:
        hedges = {upstream.name: upstream.hedging for upstream in self._directory}
        return {
            "gateway_hedges": {name: one.sent for name, one in hedges.items()},
            "gateway_hedges_won": {name: one.won for name, one in hedges.items()},
        }

    def _instance_counts(self) -> dict[str, dict[str, float]]:
        known = {
            f"{upstream.name}{SEPARATOR}{endpoint.id}": endpoint
            for upstream in self._directory
            for endpoint in upstream.endpoints
        }
        return {
            "gateway_instance_requests": {key: one.attempts for key, one in known.items()},
            "gateway_instance_failures": {key: one.failures for key, one in known.items()},
        }

    def _instances(self) -> dict[str, dict[str, float]]:
        in_flight: dict[str, float] = {}
        out: dict[str, float] = {}
        for upstream in self._directory:
            for endpoint in upstream.endpoints:
                key = f"{upstream.name}{SEPARATOR}{endpoint.id}"
                in_flight[key] = endpoint.in_flight
                reason = upstream.why_out(endpoint)
                if reason is not None:
                    out[f"{key}{SEPARATOR}{reason}"] = 1
        return {"gateway_instance_in_flight": in_flight, "gateway_instance_out": out}


def merged(states: list[dict[str, Any]]) -> dict[str, Any]:
    """One state for several processes."""
    total: dict[str, Any] = {}
    for state in states:
        _add(total, state, "")
    return total


def render(state: dict[str, Any]) -> bytes:
    """The text of Prometheus."""
    registry = CollectorRegistry()
    registry.register(_State(state))
    return generate_latest(registry)


class _State:
    def __init__(self, state: dict[str, Any]) -> None:
        self._state = state

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        state = self._state
        requests = CounterMetricFamily("gateway_requests", "Requests answered", labels=["route", "status"])
        for key, count in state.get("requests", {}).items():
            route, _, status = key.rpartition(" ")
            requests.add_metric([route, status], count)
        retries = CounterMetricFamily("gateway_retries", "Requests sent again", labels=["route"])
        for route, count in state.get("retries", {}).items():
            retries.add_metric([route], count)
        yield from (requests, retries, _seconds(state.get("times", {})))
        for name, values in state.get("services", {}).items():
            gauge = GaugeMetricFamily(name, PER_SERVICE.get(name, name), labels=["service"])
            for service, value in values.items():
                gauge.add_metric([service], value)
            yield gauge
        for name, values in state.get("service_counts", {}).items():
            counter = CounterMetricFamily(name, COUNTED_PER_SERVICE[name], labels=["service"])
            for service, value in values.items():
                counter.add_metric([service], value)
            yield counter
        for name, values in state.get("instances", {}).items():
            text, labels = PER_INSTANCE[name]
            gauge = GaugeMetricFamily(name, text, labels=labels)
            for key, value in values.items():
                gauge.add_metric(key.split(SEPARATOR), value)
            yield gauge
        for name, values in state.get("instance_counts", {}).items():
            counter = CounterMetricFamily(name, COUNTED_PER_INSTANCE[name], labels=["service", "instance"])
            for key, value in values.items():
                counter.add_metric(key.split(SEPARATOR), value)
            yield counter
        for name, value in state.get("gauges", {}).items():
            yield GaugeMetricFamily(name, state["texts"][name], value=value)


def _seconds(times: dict[str, list[float]]) -> Metric:
    family = HistogramMetricFamily("gateway_request_seconds", "Time to answer", labels=["route"])
    bounds = [*map(str, BUCKETS_S), "+Inf"]
    for route, values in times.items():
        buckets, total = [], 0.0
        for bound, count in zip(bounds, values, strict=False):
            total += count
            buckets.append((bound, total))
        family.add_metric([route], buckets, sum_value=values[-1])
    return family


def _add(total: dict[str, Any], state: dict[str, Any], within: str) -> None:
    for key, value in state.items():
        if isinstance(value, dict):
            _add(total.setdefault(key, {}), value, key)
        elif isinstance(value, list):
            before = total.get(key)
            total[key] = [a + b for a, b in zip(before, value, strict=True)] if before else list(value)
        elif isinstance(value, str):
            total[key] = value
        elif key in LARGEST or within in LARGEST:
            total[key] = max(total.get(key, 0), value)
        else:
            total[key] = total.get(key, 0) + value
