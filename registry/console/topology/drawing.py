"""Draws the graph as SVG: services in columns, calls as lines, messages as dashed lines."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from registry.console.topology.edges import Edge

NODE_WIDTH, NODE_HEIGHT = 150, 52
COLUMN, ROW, MARGIN = 330, 130, 24
BEND, SHIFT, LIFT = 34.0, 9.0, 48.0
# Lines to all later columns pass the second one.
PASSED = 60.0

Place = tuple[float, float]


@dataclass(frozen=True)
class Node:
    name: str
    note: str
    url: str
    is_failing: bool


def graph(
    columns: Sequence[Sequence[str]],
    nodes: Mapping[str, Node],
    edges: Sequence[Edge],
    label: Callable[[Edge], str],
) -> SafeString:
    tallest = max((len(column) for column in columns), default=1)
    height = MARGIN * 2 + NODE_HEIGHT + ROW * (tallest - 1) + 2 * LIFT
    width = MARGIN * 2 + NODE_WIDTH + COLUMN * max(len(columns) - 1, 1)
    places = {
        name: (
            MARGIN + COLUMN * x,
            MARGIN + LIFT + ROW * (y + (tallest - len(column)) / 2) + _stagger(x, column),
        )
        for x, column in enumerate(columns)
        for y, name in enumerate(column)
    }
    drawn = [_edge(one, places, label(one)) for one in edges if one.source in places and one.target in places]
    return format_html(
        '<svg class="graph" viewBox="0 0 {} {}" role="group" aria-label="Services and their calls">'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>{}{}</svg>',
        width,
        f"{height:.0f}",
        format_html_join("", "{}", ((one,) for one in drawn)),
        format_html_join(
            "",
            '<a href="{}"><g class="node {}"><rect x="{}" y="{}" width="{}" height="{}" rx="6"/>'
            '<text class="name" x="{}" y="{}" text-anchor="middle">{}</text>'
            '<text x="{}" y="{}" text-anchor="middle">{}</text></g></a>',
            (_node(nodes[name], *place) for name, place in places.items()),
        ),
    )


def _stagger(place: int, column: Sequence[str]) -> float:
    """Columns go up and down by turns, so that no line runs behind a service. The first one stays; a second
    one of an even number stays, too, since it leaves the middle free."""
    if place == 0 or (place == 1 and len(column) % 2 == 0):
        return 0.0
    if place == 1:
        return -PASSED
    return LIFT if place % 2 == 0 else -LIFT


def _node(node: Node, x: float, y: float) -> tuple[object, ...]:
    middle = round(x + NODE_WIDTH / 2)
    return (
        node.url, "failing" if node.is_failing else "", round(x), round(y), NODE_WIDTH, NODE_HEIGHT,
        middle, round(y + 22), node.name, middle, round(y + 40), node.note,
    )  # fmt: skip


def _edge(edge: Edge, places: Mapping[str, Place], label: str) -> SafeString:
    points = _curve(edge, places[edge.source], places[edge.target])
    x, y = _at(points, 0.36 if edge.kind == "call" else 0.64)
    (a, b), (c, d), (e, f), (g, h) = points
    return format_html(
        '<g class="edge {}{}"><path d="M{} {}C{} {} {} {} {} {}" marker-end="url(#tip)"/>'
        '<text x="{}" y="{}" text-anchor="middle">{}<title>{}</title></text></g>',
        edge.kind, " failing" if edge.is_failing else "",
        *map(round, (a, b, c, d, e, f, g, h, x, y)),
        label, f"{edge.source} to {edge.target}: {', '.join(sorted(edge.names)) or edge.kind}",
    )  # fmt: skip


def _curve(edge: Edge, source: Place, target: Place) -> tuple[Place, Place, Place, Place]:
    """Forwards it goes from right side to left side, backwards the other way, in a column along one side."""
    shift = SHIFT if edge.kind == "message" else -SHIFT
    start_y, end_y = source[1] + NODE_HEIGHT / 2 + shift, target[1] + NODE_HEIGHT / 2 + shift
    if target[0] > source[0]:
        start, end = source[0] + NODE_WIDTH, target[0]
        bend = (end - start) / 2
        return (start, start_y), (start + bend, start_y), (end - bend, end_y), (end, end_y)
    if target[0] < source[0]:
        start, end = source[0], target[0] + NODE_WIDTH
        bend = (start - end) / 2
        # Lower than its way there, so that the two do not cover each other.
        return (
            (start, start_y + SHIFT), (start - bend, start_y + BEND),
            (end + bend, end_y + BEND), (end, end_y + SHIFT),
        )  # fmt: skip
    is_down = target[1] >= source[1]
    side = NODE_WIDTH if is_down else 0
    out = BEND * 2 if is_down else -BEND * 2
    if edge.source == edge.target:
        start_y, end_y = source[1] + 10, source[1] + NODE_HEIGHT - 10
    x = source[0] + side
    return (x, start_y), (x + out, start_y), (x + out, end_y), (x, end_y)


def _at(points: tuple[Place, Place, Place, Place], t: float) -> Place:
    """The point of a cubic Bezier curve."""
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
    return (
        sum(weight * point[0] for weight, point in zip(weights, points, strict=True)),
        sum(weight * point[1] for weight, point in zip(weights, points, strict=True)) - 4,
    )
