"""Counts and durations of handler runs, for ``/metrics`` of the worker."""

from prometheus_client import Histogram

from atoll.metrics import BUCKETS_S

# A run on the fast path counts when its transaction is committed.
RUNS = Histogram(
    "bus_handler_seconds",
    "Runs of handlers by outcome: done, ignored, failed (it is tried again) or dead.",
    ("handler", "outcome"),
    buckets=BUCKETS_S,
)


def observe_run(handler: str, outcome: str, took_s: float) -> None:
    RUNS.labels(handler, outcome).observe(took_s)
