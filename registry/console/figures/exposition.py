"""Reads the text of Prometheus into counts by kind and name, and into gauges.

It reads only the families that the console shows, so that a scrape costs little: a line of another family
costs one look at its first characters.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from registry.console.figures.counts import Counts

Key = tuple[str, str]  # kind and name
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')
LINE = re.compile(r"([a-z_]+)(?:\{(.*)\})? (\S+)")
MAX_NAME = 300
MAX_SERIES = 2000
# Probes and scrapes are no load, and a blocking read waits for a change by design.
QUIET_ROUTES = ("/health", "/metrics", "/discover/", "-")

HTTP, GATEWAY = "http_request_duration_seconds", "gateway_request_seconds"
HANDLER, CALL, CALLED = "bus_handler_seconds", "client_call_seconds", "http_caller_seconds"
HISTOGRAMS = (HTTP, GATEWAY, HANDLER, CALL, CALLED)
GATEWAY_REQUESTS, RECEIVED = "gateway_requests_total", "bus_messages_received_total"
OUTCOMES = "outcomes_total"
GAUGES = {
    "bus_outbox_pending": "to publish",
    "bus_outbox_oldest_pending_seconds": "oldest to publish",
    "bus_deliveries_due": "due",
    "bus_deliveries_oldest_due_seconds": "oldest due",
    "bus_deliveries_failing": "failing",
    "bus_deliveries_dead": "dead",
    "bus_quarantine_waiting": "quarantined",
}
ATTENTION = "needs_attention"
IN_FLIGHT, INSTANCE_IN_FLIGHT, BREAKER = (
    "gateway_in_flight", "gateway_instance_in_flight", "gateway_breaker"
)  # fmt: skip
STARTS = (
    *HISTOGRAMS, GATEWAY_REQUESTS, RECEIVED, OUTCOMES, *GAUGES, ATTENTION, IN_FLIGHT, INSTANCE_IN_FLIGHT,
    BREAKER,
)  # fmt: skip
FAILED = frozenset({"failed", "dead"})


@dataclass
class Scrape:
    """The counts of one process, and gauges by service (empty for its own) and name.

    ``reached`` is the cumulative count of each histogram so far, while it is read.
    """

    counts: dict[Key, Counts] = field(default_factory=lambda: defaultdict(Counts))
    gauges: dict[tuple[str, str], float] = field(default_factory=dict)
    reached: dict[tuple[str, ...], float] = field(default_factory=dict, repr=False)


def read(text: str) -> Scrape:
    """Raises ValueError for a line of a known family that is not of Prometheus."""
    scrape = Scrape()
    for family, labels, value in _samples(text):
        if family.endswith("_bucket"):
            _take_bucket(scrape, family.removesuffix("_bucket"), labels, value)
        elif family == GATEWAY_REQUESTS and labels["status"] >= "500" and labels["route"] not in QUIET_ROUTES:
            for key in (("request", labels["route"]), ("instance", "")):
                _counts(scrape, key).errors += value
        elif family == RECEIVED:
            _counts(scrape, ("message", f"{labels['sender']} {labels['name']}")).count += value
        elif family == OUTCOMES:
            _counts(scrape, ("outcome", f"{labels['thing']} {labels['outcome']}")).count += value
        elif family in GAUGES:
            scrape.gauges["", GAUGES[family]] = value
        elif family == ATTENTION:
            scrape.gauges["", f"needs attention {labels['thing']}"[:MAX_NAME]] = value
        elif family == IN_FLIGHT:
            scrape.gauges[labels["service"], "in flight"] = value
        elif family == BREAKER:
            scrape.gauges[labels["service"], "breaker"] = value
        elif family == INSTANCE_IN_FLIGHT:
            scrape.gauges[labels["service"], f"in flight {labels['instance']}"] = value
    return scrape


def _samples(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for line in text.splitlines():
        if line.startswith(STARTS):
            found = LINE.fullmatch(line)
            if found is None:
                raise ValueError(f"not a sample of Prometheus: {line[:80]!r}")
            labels = {name: _plain(value) for name, value in LABEL.findall(found[2] or "")}
            yield found[1], labels, float(found[3])


def _plain(value: str) -> str:
    if "\\" in value:
        value = value.replace("\\n", " ").replace('\\"', '"').replace("\\\\", "\\")
    return value.replace("\0", "")[:MAX_NAME]


def _take_bucket(scrape: Scrape, family: str, labels: dict[str, str], value: float) -> None:
    """Buckets of one histogram come in the order of their bounds and are cumulative."""
    key, failed = _key(family, labels)
    if key is None:
        return
    bound = float(labels["le"])
    series = (family, *(text for name, text in labels.items() if name != "le"))
    grown = value - scrape.reached.get(series, 0.0)
    scrape.reached[series] = value
    if not grown:
        return
    keys = [key] if family in (CALL, CALLED) else [key, ("instance", "")]
    for one in keys:
        counts = _counts(scrape, one)
        counts.add_bucket(bound, grown)
        counts.count += grown
        counts.errors += grown if failed else 0


def _key(family: str, labels: dict[str, str]) -> tuple[Key | None, bool]:
    """The key of a histogram's series, and whether it counts failures."""
    if family in (HTTP, GATEWAY):
        route = labels["route"]
        if route.startswith(QUIET_ROUTES):
            return None, False
        if family == GATEWAY:
            return ("request", route), False
        return ("request", f"{labels['method']} {route}"), labels["status"] >= "500"
    name = {HANDLER: "handler", CALL: "peer", CALLED: "caller"}.get(family)
    if name is None:
        return None, False
    kind = {HANDLER: "handler", CALL: "call", CALLED: "called"}[family]
    return (kind, labels[name]), labels["outcome"] in FAILED


def _counts(scrape: Scrape, key: Key) -> Counts:
    if key not in scrape.counts and len(scrape.counts) >= MAX_SERIES:
        key = (key[0], "other")
    return scrape.counts[key]
