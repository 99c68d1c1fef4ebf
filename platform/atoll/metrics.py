"""Metrics for Prometheus, at ``/metrics`` of every web process.

With several server processes behind one port, ``PROMETHEUS_MULTIPROC_DIR`` must name an empty
directory before they start; each of them then answers for all. Counters and histograms of your
own go to ``prometheus_client``'s default registry. Collectors that give the same values in each
process go to ``SERVICE``.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

__all__ = ["observe_outcome", "register_attention"]

log = logging.getLogger("atoll.metrics")

NO_ROUTE = "none"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
BUCKETS_S = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

REQUESTS = Counter("http_requests", "Requests answered.", ("method", "route", "status"))
DURATION = Histogram(
    "http_request_duration_seconds",
    "Time from the first byte of a request read to its answer.",
    ("method", "route", "status"),
    buckets=BUCKETS_S,
)

CALLED = Histogram(
    "http_caller_seconds",
    "Requests of other services, by the service that asked and outcome: ok, refused (4xx) or failed.",
    ("caller", "outcome"),
    buckets=BUCKETS_S,
)
OUTCOMES = Counter(
    "outcomes", "Ends of a service's business: thing order, outcome confirmed.", ("thing", "outcome")
)
# Anybody in the network may name a caller, and each name costs memory.
MAX_CALLERS = 50
COUNTED_EVERY_S = 5.0
DatabaseErrors = (DatabaseError, InterfaceError)
OTHER_CALLER = "other"

_callers: set[str] = set()

# Values of the whole service, such as those from its database: never summed over processes.
SERVICE = CollectorRegistry()


def observe_request(method: str, route: str, status: int, duration_s: float) -> None:
    """Count one answered request. ``route`` is a pattern, not a path: each value costs memory."""
    labels = (method if method in METHODS else "OTHER", route, str(status))
    REQUESTS.labels(*labels).inc()
    DURATION.labels(*labels).observe(duration_s)


def observe_caller(caller: str, status: int, duration_s: float) -> None:
    """Count one answered request of the service ``caller``."""
    if caller not in _callers:
        if len(_callers) >= MAX_CALLERS:
            caller = OTHER_CALLER
        _callers.add(caller)
    outcome = "failed" if status >= 500 else "refused" if status >= 400 else "ok"
    CALLED.labels(caller, outcome).observe(duration_s)


def observe_outcome(thing: str, outcome: str) -> None:
    """Count one end, such as a confirmed order. Call it after the commit; both words are of a few values."""
    OUTCOMES.labels(thing, outcome).inc()


class _Attention:
    """``needs_attention{thing=}``: things that wait for a person, counted in the service's database."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: dict[str, Callable[[], int]] = {}
        self._read_at = float("-inf")
        self._last: dict[str, int] = {}
        self._lock = threading.Lock()

    def add(self, thing: str, count: Callable[[], int]) -> None:
        self._counts[thing] = count

    def describe(self) -> list[Metric]:
        """Return no metrics, so that the registration does not query the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            if self._clock() - self._read_at >= COUNTED_EVERY_S:
                self._last, self._read_at = self._read(), self._clock()
            known = dict(self._last)
        family = GaugeMetricFamily("needs_attention", "Things that wait for a person.", labels=("thing",))
        for thing, count in known.items():
            family.add_metric((thing,), count)
        yield family

    def _read(self) -> dict[str, int]:
        """While the database does not answer, there are no values."""
        try:
            return {thing: count() for thing, count in self._counts.items()}
        except DatabaseErrors as error:
            log.warning("the things that need attention cannot be counted: %s", str(error).strip())
            return {}


_attention = _Attention()
SERVICE.register(_attention)


def register_attention(thing: str, count: Callable[[], int]) -> None:
    """Let ``/metrics`` tell how many of the service's things wait for a person: ``thing`` is ``order``.

    ``count`` asks the database, at most once in COUNTED_EVERY_S seconds. Call it in ``AppConfig.ready``.
    """
    _attention.add(thing, count)


def exposition() -> bytes:
    """All metrics in the text format of Prometheus."""
    if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return generate_latest(REGISTRY) + generate_latest(SERVICE)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    ProcessCollector(registry=registry)
    return generate_latest(registry) + generate_latest(SERVICE)


def view(request: HttpRequest) -> HttpResponse:
    return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST)
