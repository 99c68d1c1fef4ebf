"""The metrics of the ledger at ``/metrics``. Every process of a service reports the same values."""

from collections.abc import Iterator

import structlog
from django.db import DatabaseError, InterfaceError
from prometheus_client.core import GaugeMetricFamily, Metric

from atoll.bus.operations import stats
from atoll.bus.operations.stats import LedgerCounts
from atoll.bus.ttl_cache import TtlCache

log = structlog.get_logger("atoll.bus")

READ_EVERY_S = 5.0

# The metric's name after "bus_", its help text, and the field of LedgerCounts.
GAUGES = (
    ("outbox_pending", "Messages that are not published yet.", "to_publish"),
    ("outbox_refused", "Messages not published yet that the broker refused.", "refused"),
    ("outbox_unroutable", "Messages kept because a receiver would miss them.", "unroutable"),
    ("outbox_oldest_pending_seconds", "Age of the oldest pending message; 0 if none.", "oldest_to_publish_s"),
    ("deliveries_due", "Deliveries that are due and do not run yet.", "due"),
    ("deliveries_oldest_due_seconds", "Overdue time of the oldest due delivery; 0 if none.", "oldest_due_s"),
    ("deliveries_running", "Deliveries that run now.", "running"),
    ("deliveries_longest_running_seconds", "Duration of the longest running attempt.", "longest_running_s"),
    ("deliveries_retrying", "Deliveries that failed and wait for their next attempt.", "retrying"),
    ("deliveries_failing", "Deliveries whose last attempt failed and that are not dead yet.", "failing"),
    ("deliveries_scheduled", "Timers and other deliveries that are due later.", "scheduled"),
    ("deliveries_behind", "Deliveries that wait for their turn in a lane.", "waiting_in_lane"),
    ("deliveries_unattended", "Deliveries for handlers that no running worker has code for.", "unattended"),
    ("deliveries_dead", "Dead letters.", "dead"),
    ("lanes_blocked", "Lanes that wait behind a dead letter.", "blocked_lanes"),
    (
        "consumer_silent_seconds",
        "Time since a worker last reported that it receives messages; 0 before the first report.",
        "consumer_silent_s",
    ),
    ("quarantine_waiting", "Received messages that cannot be read.", "quarantined"),
)


def _read_counts() -> LedgerCounts | None:
    try:
        return stats.ledger_counts()
    except (DatabaseError, InterfaceError) as error:
        log.warning("the database does not answer, there are no bus metrics", error=str(error).strip())
        return None


class BusCollector:
    """Reads the database at most once in READ_EVERY_S seconds, independent of the scrape interval.

    Counts stop at ``stats.MAX_COUNTED``. While the database does not answer, the only metric is
    ``bus_ledger_readable`` with value 0.
    """

    def __init__(self) -> None:
        self._counts = TtlCache(_read_counts, ttl_s=READ_EVERY_S)

    def describe(self) -> list[Metric]:
        """Return no metrics, so that the registration does not query the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        counts = self._counts()
        yield GaugeMetricFamily(
            "bus_ledger_readable", "Whether the bus could read its ledger.", value=float(bool(counts))
        )
        if counts is None:
            return
        for name, help_text, field in GAUGES:
            yield GaugeMetricFamily(f"bus_{name}", help_text, value=float(getattr(counts, field) or 0))
