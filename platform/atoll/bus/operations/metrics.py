"""The ledger's figures at ``/metrics``, the same from every process of the service."""

from collections.abc import Iterator

import structlog
from django.db import DatabaseError, InterfaceError
from prometheus_client.core import GaugeMetricFamily, Metric

from atoll.bus.operations import stats
from atoll.bus.operations.stats import Backlog
from atoll.bus.ttl_cache import TtlCache

log = structlog.get_logger("atoll.bus")

ASKED_EVERY_S = 5.0

# Name after "bus_", what it means, and which figure of the backlog it is.
GAUGES = (
    ("outbox_pending", "Messages that are not published yet.", "to_publish"),
    ("outbox_refused", "Messages not published yet that the broker refused.", "refused"),
    ("outbox_unroutable", "Messages kept because a receiver would miss them.", "unroutable"),
    ("outbox_oldest_pending_seconds", "Age of the oldest of them; 0 without any.", "oldest_to_publish_s"),
    ("deliveries_due", "Deliveries that could run now and do not.", "due"),
    ("deliveries_oldest_due_seconds", "How long the oldest of them is due; 0 without any.", "oldest_due_s"),
    ("deliveries_running", "Deliveries being run.", "running"),
    ("deliveries_longest_running_seconds", "How long the oldest attempt runs.", "longest_running_s"),
    ("deliveries_retrying", "Deliveries that failed and wait for their next attempt.", "retrying"),
    ("deliveries_failing", "Deliveries whose last attempt failed and that are not dead yet.", "failing"),
    ("deliveries_scheduled", "Timers and others that are due later.", "scheduled"),
    ("deliveries_behind", "Deliveries that wait for their turn in a lane.", "behind"),
    ("deliveries_unattended", "Deliveries whose handler no running worker has code for.", "unattended"),
    ("deliveries_dead", "Dead letters.", "dead"),
    ("lanes_blocked", "Lanes that wait behind a dead letter.", "blocked_lanes"),
    (
        "consumer_silent_seconds",
        "How long ago a worker last said that it receives messages; 0 before the first.",
        "consumer_silent_s",
    ),
    ("quarantine_waiting", "Arrivals that cannot be read.", "quarantined"),
)


def _ask() -> Backlog | None:
    try:
        return stats.backlog()
    except (DatabaseError, InterfaceError) as error:
        log.warning("the bus's figures cannot be read", error=str(error).strip())
        return None


class BusCollector:
    """Asks the database at most every ASKED_EVERY_S seconds, however often it is scraped.

    Counts end at ``overview.COUNTED``. While the database does not answer there are no figures
    but ``bus_ledger_readable``, which is 0.
    """

    def __init__(self) -> None:
        self._backlog = TtlCache(_ask, ttl_s=ASKED_EVERY_S)

    def describe(self) -> list[Metric]:
        """Nothing, so that registering it asks no database."""
        return []

    def collect(self) -> Iterator[Metric]:
        backlog = self._backlog()
        yield GaugeMetricFamily(
            "bus_ledger_readable", "Whether the figures of the bus could be read.", value=float(bool(backlog))
        )
        if backlog is None:
            return
        for name, meaning, figure in GAUGES:
            yield GaugeMetricFamily(f"bus_{name}", meaning, value=float(getattr(backlog, figure) or 0))
