"""What the services of the board did in the last two minutes, and what waits there."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from django.db.models import Count
from django.db.models.functions import Now

from registry.console.figures import store
from registry.console.figures.collector import RATE_NOW
from registry.console.figures.counts import Counts
from registry.failing.store import Told
from registry.models import JournalEntry

PERIOD = timedelta(minutes=2)
STARTS_IN = timedelta(hours=1)
# Above these a figure is red: the share of errors, and the age of what waits.
MANY_ERRORS, LATE_S = 0.05, 15.0


@dataclass
class Load:
    """``waiting`` messages and deliveries are due; ``None`` where nothing is measured.

    ``rate_now`` is of one instance, in its last ten seconds.
    """

    counts: Counts = field(default_factory=Counts)
    runs: Counts = field(default_factory=Counts)
    period_s: float = 1.0
    rate_now: float | None = None
    in_flight: float | None = None
    waiting: float | None = None
    oldest_s: float | None = None
    failing: float = 0
    dead: float = 0
    starts: int = 0

    @property
    def rate(self) -> float:
        return self.counts.count / self.period_s

    @property
    def p95_ms(self) -> float | None:
        return self.counts.percentile_ms(0.95)

    @property
    def has_many_errors(self) -> bool:
        return self.counts.error_share > MANY_ERRORS

    @property
    def is_late(self) -> bool:
        return (self.oldest_s or 0) > LATE_S

    @property
    def is_failing(self) -> bool:
        return self.has_many_errors or self.is_late or bool(self.failing or self.dead)


def load_of_all() -> tuple[dict[str, Load], dict[tuple[str, str], Load]]:
    """The load by service, and by service and instance."""
    period_s = store.measured_s(PERIOD)
    services: dict[str, Load] = defaultdict(lambda: Load(period_s=period_s))
    instances: dict[tuple[str, str], Load] = defaultdict(lambda: Load(period_s=period_s))
    for kind in ("request", "handler"):
        for one in store.totals(kind, PERIOD):
            load = services[one.service]
            (load.counts if kind == "request" else load.runs).add(one.counts)
    for one in store.totals("instance", PERIOD):
        instances[one.service, one.name].counts.add(one.counts)
    for (service, name), value in store.gauges().items():
        _take_gauge(services[service], instances, service, name, value)
    starts = JournalEntry.objects.filter(
        at__gt=Now() - STARTS_IN,
        kind__in=(JournalEntry.Kind.REGISTERED, JournalEntry.Kind.REPLACED),
    )
    for service, count in starts.values_list("service").annotate(Count("pk")).order_by():
        services[service.removesuffix(".worker")].starts += count
    return services, instances


def take_reports(services: dict[str, Load], told: Mapping[str, Told]) -> None:
    """The workers' reports of failures are newer than the scraped figures, and replace them."""
    for service, one in told.items():
        if not one.is_late:
            services[service].failing = one.failing
            services[service].dead = max(services[service].dead, one.dead)


def _take_gauge(
    load: Load, instances: dict[tuple[str, str], Load], service: str, name: str, value: float
) -> None:
    if name == "in flight":
        load.in_flight = value
    elif name.startswith("in flight "):
        instances[service, name.removeprefix("in flight ")].in_flight = value
    elif name.startswith(RATE_NOW):
        instances[service, name.removeprefix(RATE_NOW)].rate_now = value
    elif name in ("due", "to publish"):
        load.waiting = (load.waiting or 0) + value
    elif name in ("oldest due", "oldest to publish"):
        load.oldest_s = max(load.oldest_s or 0, value)
    elif name == "failing":
        load.failing = value
    elif name in ("dead", "quarantined"):
        load.dead += value
