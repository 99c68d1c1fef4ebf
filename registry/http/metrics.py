"""The registry's own metrics for ``/metrics``, summed over its processes."""

from collections import Counter as Counts
from collections.abc import Callable, Iterable

from prometheus_client import Counter, Gauge
from prometheus_client.core import GaugeMetricFamily, Metric

BEATS = Counter("registry_heartbeats", "Heartbeats accepted.")
REFUSED = Counter("registry_refused", "Calls refused, by reason.", ("code",))
SHED = Counter("registry_shed", "Calls dropped because a pool was full or slow, by pool.", ("lane",))
LEFT = Counter("registry_left", "Calls whose caller went away before they were answered.")
WAITING = Gauge(
    "registry_waiting_reads", "Blocking reads that wait for a change.", multiprocess_mode="livesum"
)
LATE = Gauge(
    "registry_late_answers", "Wrong credentials that wait for their answer.", multiprocess_mode="livesum"
)


class InstanceCollector:
    """The number of instances by service and status, from this process's memory. So it is the same in
    every process, also while the database is away."""

    def __init__(self, count_by_status: Callable[[], Iterable[tuple[str, Counts[str]]]]) -> None:
        self._count_by_status = count_by_status

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(
            "registry_instances",
            "Instances: healthy, draining, last-known (silent, still tried) or unhealthy (silent).",
            labels=["service", "state"],
        )
        for service, statuses in self._count_by_status():
            for status, count in sorted(statuses.items()):
                family.add_metric([service, status], count)
        yield family
