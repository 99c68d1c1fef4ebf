"""Metrics for Prometheus, at ``/metrics`` of every web process.

With several server processes behind one port, ``PROMETHEUS_MULTIPROC_DIR`` must name an empty
directory before they start; each of them then answers for all. Counters and histograms of your
own go to ``prometheus_client``'s default registry. Collectors that give the same values in each
process go to ``SERVICE``.
"""

import os

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
from prometheus_client.multiprocess import MultiProcessCollector

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

# Values of the whole service, such as those from its database: never summed over processes.
SERVICE = CollectorRegistry()


def observe_request(method: str, route: str, status: int, duration_s: float) -> None:
    """Count one answered request. ``route`` is a pattern, not a path: each value costs memory."""
    labels = (method if method in METHODS else "OTHER", route, str(status))
    REQUESTS.labels(*labels).inc()
    DURATION.labels(*labels).observe(duration_s)


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
