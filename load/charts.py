"""Line charts as inline SVG, without scripts."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 860, 240
LEFT, RIGHT, TOP, BOTTOM = 60, 12, 12, 28
LINES = 4


@dataclass(frozen=True)
class Line:
    """One value for each point of time; None leaves a gap. ``style`` is a class of the page's style sheet."""

    name: str
    style: str
    values: Sequence[float | None]


@dataclass(frozen=True)
class Scale:
    """From seconds and values to positions in the picture."""

    end_s: float
    top: float

    def x(self, at_s: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * at_s / self.end_s

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self.top


def chart(title: str, unit: str, times_s: Sequence[float], lines: Sequence[Line]) -> str:
    """A figure with a caption, its lines, and the values of a point as a tooltip over it."""
    highest = max((value for line in lines for value in line.values if value is not None), default=1.0)
    scale = Scale(max(times_s, default=0.0) or 1.0, _round_up(highest))
    parts = [
        f"<figure><figcaption>{escape(title)} <small>{escape(unit)}</small> {_legend(lines)}</figcaption>",
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
        *_grid(scale),
        *(f'<path class="{line.style}" d="{_path(scale, times_s, line.values)}"/>' for line in lines),
        *_tooltips(scale, times_s, lines),
        "</svg></figure>",
    ]
    return "\n".join(parts)


def _grid(scale: Scale) -> Iterator[str]:
    for number in range(LINES + 1):
        value, at_s = scale.top * number / LINES, scale.end_s * number / LINES
        y = f"{scale.y(value):.1f}"
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
        yield f'<text class="left" x="{LEFT - 6}" y="{y}">{value:g}</text>'
        yield f'<text class="below" x="{scale.x(at_s):.1f}" y="{HEIGHT - 8}">{at_s:.0f} s</text>'


def _path(scale: Scale, times_s: Sequence[float], values: Sequence[float | None]) -> str:
    """A point gets a short line of its own, so that it is visible between two gaps."""
    words, is_open = [], False
    for at_s, value in zip(times_s, values, strict=True):
        if value is not None:
            point = f"{scale.x(at_s):.1f} {scale.y(value):.1f}"
            words.append(f"L{point}" if is_open else f"M{point}h0.1")
        is_open = value is not None
    return "".join(words)


def _tooltips(scale: Scale, times_s: Sequence[float], lines: Sequence[Line]) -> Iterator[str]:
    width = (WIDTH - LEFT - RIGHT) / max(1, len(times_s))
    for index, at_s in enumerate(times_s):
        values = [(line.name, line.values[index]) for line in lines]
        told = [f"{name}: {'-' if value is None else f'{value:.1f}'}" for name, value in values]
        tooltip = escape(", ".join([f"{at_s:.0f} s", *told]))
        yield (
            f'<rect class="point" x="{scale.x(at_s) - width / 2:.1f}" y="{TOP}" width="{width:.1f}" '
            f'height="{HEIGHT - TOP - BOTTOM}"><title>{tooltip}</title></rect>'
        )


def _legend(lines: Sequence[Line]) -> str:
    return " ".join(f'<span class="{line.style}">{escape(line.name)}</span>' for line in lines)


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 5, 10 times a power of ten: a readable end of an axis."""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(step * power for step in (1, 2, 4, 5, 10) if step * power >= value)
