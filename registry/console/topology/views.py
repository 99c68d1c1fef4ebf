"""The page of the graph."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from registry.console.board.load import Load, load_of_all
from registry.console.board.rows import service_rows
from registry.console.figures import store
from registry.console.navigation import register_entry
from registry.console.pages import page, show
from registry.console.stream import PATH, register_fragment
from registry.console.topology.drawing import Node, graph
from registry.console.topology.edges import PERIOD, Edge, edges, layers
from registry.templatetags.console import error_share, ms, rate

register_entry("Topology", "console:topology", place=20)

# Every process calls it, so its lines would say nothing.
LEFT_OUT = frozenset({"registry"})


@page
def topology(request: HttpRequest) -> HttpResponse:
    context = {"figures": figures(), "stream": f"{PATH}topology"}
    return show(request, "registry/console/topology.html", "Topology", context)


def figures() -> str:
    """The part of the page that refreshes."""
    measured_s = store.measured_s(PERIOD)
    found = [one for one in edges() if not {one.source, one.target} & LEFT_OUT]
    rows = {row.name: row for row in service_rows() if row.name not in LEFT_OUT}
    names = sorted(rows.keys() | {end for one in found for end in (one.source, one.target)})
    loads, _ = load_of_all()
    nodes = {}
    for name in names:
        row, load = rows.get(name), loads.get(name, Load())
        state = row.state if row else "not registered"
        note = f"{rate(load.rate)}/s · {state}"
        if load.failing or load.dead:
            note = f"{load.failing:,.0f} failing, {load.dead:,.0f} dead"
        is_failing = load.is_failing or bool(row and row.is_bad)
        nodes[name] = Node(name, note, _link(name), is_failing)
    context: dict[str, Any] = {
        "graph": graph(layers(names, found), nodes, found, lambda one: _label(one, measured_s)),
        "edges": [
            {
                "edge": one,
                "rate": one.counts.count / measured_s,
                "names": sorted(one.names),
                "url": _link(one.source if one.kind == "call" else one.target),
            }
            for one in found
        ],
        "at": timezone.now(),
    }
    return render_to_string("registry/console/topology_figures.html", context)


def _label(edge: Edge, measured_s: float) -> str:
    parts = [f"{rate(edge.counts.count / measured_s)}/s"]
    p95 = edge.counts.percentile_ms(0.95)
    if p95 is not None:
        parts.append(f"{ms(p95)} ms")
    if edge.counts.errors:
        parts.append(error_share(edge.counts))
    return " · ".join(parts)


def _link(service: str) -> str:
    return f"{reverse('console:charts')}?{urlencode({'service': service, 'sort': 'errors'})}"


register_fragment("topology", figures)
