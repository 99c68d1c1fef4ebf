"""Counts and durations of calls to other services, for ``/metrics`` of the caller."""

from prometheus_client import Histogram

from atoll.metrics import BUCKETS_S

CALLS = Histogram(
    "client_call_seconds",
    "Calls with their retries, by outcome: ok, refused (a 4xx answer) or failed.",
    ("peer", "outcome"),
    buckets=BUCKETS_S,
)


def observe_call(peer: str, outcome: str, took_s: float) -> None:
    CALLS.labels(peer, outcome).observe(took_s)
