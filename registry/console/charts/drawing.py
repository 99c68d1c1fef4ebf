"""Line charts as SVG without inline styles; `console.css` colours the classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

WIDTH, HEIGHT = 640, 190
LEFT, RIGHT, TOP, BOTTOM = 48, 8, 10, 22
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
LINES = 4


@dataclass(frozen=True)
class Line:
    """``values`` has None where nothing was measured: the line has a gap there."""

    title: str
    css: str
    values: Sequence[float | None]


def chart(title: str, times: Sequence[datetime], lines: Sequence[Line], unit: str = "") -> SafeString:
    """A chart with one value of each line for each of the ``times``, which are evenly spaced."""
    top = ceiling(max((value for line in lines for value in line.values if value is not None), default=0.0))
    grid = [
        (LEFT, f"{_y(top * part / LINES, top):.1f}", WIDTH - RIGHT, LEFT - 6,
         f"{_y(top * part / LINES, top) + 4:.1f}", _number(top * part / LINES))
        for part in range(LINES + 1)
    ]  # fmt: skip
    return format_html(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}</svg>',
        WIDTH,
        HEIGHT,
        f"{title}{f' in {unit}' if unit else ''}: the values are in the table",
        format_html_join(
            "",
            '<path class="grid" d="M{} {}H{}"/><text x="{}" y="{}" text-anchor="end">{}</text>',
            grid,
        ),
        format_html_join("", '<text x="{}" y="{}" text-anchor="{}">{}</text>', _labels(times)),
        format_html_join(
            "",
            '<path class="line {}" d="{}"><title>{}</title></path>',
            ((line.css, _path(line.values, top), line.title) for line in lines),
        ),
    )


def ceiling(value: float) -> float:
    """The next round number above."""
    if value <= 0:
        return 1.0
    size = 10.0 ** int(f"{value:e}".partition("e")[2])
    return next(step * size for step in STEPS if value <= step * size * 1.0001)


def every(step: timedelta, length: timedelta, now: datetime) -> list[datetime]:
    """The beginnings of the steps of a period that ends now, as `date_bin` has them from 2000 on."""
    origin = datetime(2000, 1, 1, tzinfo=now.tzinfo)
    last = now - (now - origin) % step
    return [last - step * back for back in range(int(length / step) - 1, -1, -1)]


def _labels(times: Sequence[datetime]) -> list[tuple[str, int, str, str]]:
    if not times:
        return []
    last = len(times) - 1
    shown = sorted({0, last // 2, last})
    return [
        (f"{_x(place, len(times)):.1f}", HEIGHT - 6,
         "start" if place == 0 else "end" if place == last else "middle", f"{times[place]:%H:%M}")
        for place in shown
    ]  # fmt: skip


def _path(values: Sequence[float | None], top: float) -> str:
    parts, pen = [], "M"
    for place, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        parts.append(f"{pen}{_x(place, len(values)):.1f} {_y(value, top):.1f}")
        if pen == "M":
            parts.append("h0.1")  # a single point is visible, too
        pen = "L"
    return "".join(parts)


def _x(place: int, count: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (place / max(count - 1, 1))


def _y(value: float, top: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2f}".rstrip("0").rstrip(".")
