"""What the registry counts, for ``/metrics``; summed over its processes."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable

from prometheus_client import Counter, Gauge
from prometheus_client.core import GaugeMetricFamily, Metric

BEATS = Counter("registry_heartbeats", "Heartbeats accepted.")
REFUSED = Counter("registry_refused", "Calls refused, by reason.", ("code",))
SHED = Counter("registry_shed", "Calls dropped because there was too much to do, by lane.", ("lane",))
LEFT = Counter("registry_left", "Calls whose caller went away before they were answered.")
WAITING = Gauge(
    "registry_waiting_reads", "Blocking reads that wait for a change.", multiprocess_mode="livesum"
)
LATE = Gauge(
    "registry_late_answers", "Wrong credentials that wait for their answer.", multiprocess_mode="livesum"
)


class Instances:
    """How many instances each service has in each state, from this process's memory: the same in
    every process, and there while the database is away."""

    def __init__(self, tally: Callable[[], Iterable[tuple[str, Tally[str]]]]) -> None:
        self._tally = tally

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(
            "registry_instances",
            "Instances: healthy, draining, last-known (silent, still tried) or unhealthy (silent).",
            labels=["service", "state"],
        )
        for service, states in self._tally():
            for state, count in sorted(states.items()):
                family.add_metric([service, state], count)
        yield family
