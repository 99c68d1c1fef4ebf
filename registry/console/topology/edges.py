"""The edges of the graph, from what callers and receivers counted."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta

from registry.console.figures import store
from registry.console.figures.counts import Counts

PERIOD = timedelta(minutes=5)
GATEWAY = "api-gateway"


@dataclass
class Edge:
    """``kind`` is ``call`` or ``message``. ``names`` are the messages' names."""

    source: str
    target: str
    kind: str
    counts: Counts = field(default_factory=Counts)
    names: set[str] = field(default_factory=set)

    @property
    def is_failing(self) -> bool:
        return self.counts.error_share > 0.05


def edges() -> list[Edge]:
    """Calls and messages of the last five minutes, by source, target and kind.

    A service's calls are counted by the caller, so that calls without an answer are errors; the gateway's
    by the services that it asked.
    """
    found: dict[tuple[str, str, str], Edge] = {}

    def edge(source: str, target: str, kind: str) -> Edge:
        return found.setdefault((source, target, kind), Edge(source, target, kind))

    for one in store.totals("call", PERIOD):
        edge(one.service, one.name, "call").counts.add(one.counts)
    for one in store.totals("called", PERIOD):
        if one.name == GATEWAY:
            edge(GATEWAY, one.service, "call").counts.add(one.counts)
    for one in store.totals("message", PERIOD):
        sender, _, name = one.name.partition(" ")
        told = edge(sender or "unknown", one.service, "message")
        told.counts.add(one.counts)
        told.names.add(name)
    return sorted(found.values(), key=lambda one: (one.source, one.target, one.kind))


def layers(services: list[str], found: list[Edge]) -> list[list[str]]:
    """The services in columns: the gateway first, each other one a column behind the last one that calls it.

    A service that nobody calls is in the second column. Calls in a circle end the search at the number of
    services.
    """
    column = {service: 0 if service == GATEWAY else 1 for service in services}
    calls = [one for one in found if one.kind == "call" and one.source != one.target]
    for _ in services:
        for one in calls:
            if one.target in column and one.source in column and one.target != GATEWAY:
                column[one.target] = min(
                    max(column[one.target], column[one.source] + 1), max(len(services) - 1, 1)
                )
    by_column: dict[int, list[str]] = defaultdict(list)
    for service in sorted(services):
        by_column[column[service]].append(service)
    return [by_column[place] for place in sorted(by_column)]
