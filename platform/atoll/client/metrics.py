"""Counts and durations of calls to other services, and their breakers, for ``/metrics`` of the caller."""

from prometheus_client import Counter, Gauge, Histogram

from atoll.metrics import BUCKETS_S

CALLS = Histogram(
    "client_call_seconds",
    "Calls with their retries, by outcome: ok, refused (a 4xx answer) or failed.",
    ("peer", "outcome"),
    buckets=BUCKETS_S,
)
RETRIES = Counter("client_retries", "Requests that were sent again within a call.", ("peer",))
STOPPED = Counter("client_stopped", "Calls that no breaker of the peer's instances let through.", ("peer",))
OPENED = Counter("client_breaker_opened", "Times that the breaker of an instance opened.", ("peer",))
OPEN = Gauge(
    "client_breakers_open",
    "Instances whose breaker is open, or half-open until a probe succeeds.",
    ("peer",),
    multiprocess_mode="livesum",
)


def observe_call(peer: str, outcome: str, took_s: float) -> None:
    CALLS.labels(peer, outcome).observe(took_s)


def observe_retry(peer: str) -> None:
    RETRIES.labels(peer).inc()


def observe_stopped(peer: str) -> None:
    STOPPED.labels(peer).inc()


def observe_breaker_opened(peer: str) -> None:
    OPENED.labels(peer).inc()


def show_open_breakers(peer: str, count: int) -> None:
    OPEN.labels(peer).set(count)
