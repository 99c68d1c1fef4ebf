"""Counts and durations of handler runs, for ``/metrics`` of the worker."""

from prometheus_client import Counter, Histogram

from atoll.bus.delivery.store import Claim
from atoll.metrics import BUCKETS_S

# A run on the fast path counts when its transaction is committed.
RUNS = Histogram(
    "bus_handler_seconds",
    "Runs of handlers by message and outcome: done, ignored, failed (it is tried again) or dead.",
    ("handler", "name", "outcome"),
    buckets=BUCKETS_S,
)
RETRIES = Counter(
    "bus_handler_retries", "Runs of handlers that were not the first of their delivery.", ("handler", "name")
)
OTHER = "other"
# Each name costs memory, and a handler of a pattern takes names that a sender makes up.
MAX_NAMES = 500

_names: set[str] = set()


def observe_run(claim: Claim, outcome: str, took_s: float) -> None:
    name = claim.name
    if name not in _names:
        if len(_names) >= MAX_NAMES:
            name = OTHER
        _names.add(name)
    RUNS.labels(claim.handler_id, name, outcome).observe(took_s)
    if claim.attempt > 1:
        RETRIES.labels(claim.handler_id, name).inc()
