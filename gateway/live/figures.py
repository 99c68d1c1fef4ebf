"""Reads the text of Prometheus into figures per route, service and instance."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise

from prometheus_client.parser import text_string_to_metric_families

REQUESTS = "gateway_requests_total"
BUCKET = "gateway_request_seconds_bucket"
PERCENTILES = (0.50, 0.95, 0.99)
BREAKERS = {0: "closed", 1: "half-open", 2: "open"}


@dataclass
class Counts:
    """Counters of one route since the gateway started. ``buckets`` are cumulative, by their upper bound."""

    requests: float = 0
    refused: float = 0
    failed: float = 0
    buckets: dict[float, float] = field(default_factory=dict)

    def since(self, earlier: "Counts | None") -> "Counts":
        """The difference; all of it when the counters began anew."""
        if earlier is None or earlier.requests > self.requests:
            return self
        return Counts(
            self.requests - earlier.requests,
            self.refused - earlier.refused,
            self.failed - earlier.failed,
            {bound: count - earlier.buckets.get(bound, 0) for bound, count in self.buckets.items()},
        )

    def percentile_ms(self, share: float) -> float | None:
        """Interpolated within its bucket; None without requests."""
        total = max(self.buckets.values(), default=0)
        if total <= 0:
            return None
        wanted = share * total
        bounds = [(0.0, 0.0), *sorted(self.buckets.items())]
        for (low, below), (high, reached) in pairwise(bounds):
            if reached >= wanted and reached > below:
                if high == float("inf"):
                    return low * 1000
                return (low + (high - low) * (wanted - below) / (reached - below)) * 1000
        return None


@dataclass
class InstanceState:
    """``why_out`` is empty while the instance gets requests. ``requests`` and ``failed`` count since the
    gateway has known it."""

    service: str
    instance: str
    in_flight: float = 0
    requests: float = 0
    failed: float = 0
    why_out: str = ""

    def since(self, earlier: "InstanceState | None") -> "InstanceState":
        """With the counts since ``earlier``; all of them when they began anew."""
        if earlier is None or earlier.requests > self.requests:
            return self
        return replace(self, requests=self.requests - earlier.requests, failed=self.failed - earlier.failed)


@dataclass
class Sample:
    """All figures at one moment (seconds of a monotonic clock)."""

    at: float
    routes: dict[str, Counts] = field(default_factory=dict)
    instances: dict[tuple[str, str], InstanceState] = field(default_factory=dict)
    services: dict[str, dict[str, float]] = field(default_factory=dict)


def read(text: str, at: float) -> Sample:
    """Raises ValueError for text that is not of Prometheus."""
    sample = Sample(at)
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            _take(sample, one.name, one.labels, one.value)
    return sample


def _take(sample: Sample, name: str, labels: dict[str, str], value: float) -> None:
    if name == REQUESTS:
        counts = sample.routes.setdefault(labels["route"], Counts())
        counts.requests += value
        counts.failed += value if labels["status"] >= "500" else 0
        counts.refused += value if "400" <= labels["status"] < "500" else 0
    elif name == BUCKET:
        counts = sample.routes.setdefault(labels["route"], Counts())
        counts.buckets[float(labels["le"])] = value
    elif "instance" in labels:
        key = (labels["service"], labels["instance"])
        state = sample.instances.setdefault(key, InstanceState(*key))
        if name == "gateway_instance_in_flight":
            state.in_flight = value
        elif name == "gateway_instance_requests_total":
            state.requests = value
        elif name == "gateway_instance_failures_total":
            state.failed = value
        elif name == "gateway_instance_out" and value:
            state.why_out = labels.get("reason", "it is out")
    elif "service" in labels:
        sample.services.setdefault(labels["service"], {})[name] = value


def of_service(instances: Iterable[InstanceState], service: str) -> list[InstanceState]:
    return sorted((one for one in instances if one.service == service), key=lambda one: one.instance)
