"""How the console writes figures. A figure that is not measured is a dash."""

from typing import Any

from django import template

from registry.console.figures.counts import Counts

register = template.Library()
NOTHING = "–"


@register.filter
def rate(value: float | None) -> str:
    if value is None:
        return NOTHING
    if 0 < value < 0.05:
        return f"{value:.3f}"
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


@register.filter
def ms(value: float | None) -> str:
    if value is None:
        return NOTHING
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


@register.filter
def whole(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.0f}"


@register.filter
def age(value_s: float | None) -> str:
    if value_s is None:
        return NOTHING
    for unit, size_s in (("d", 86_400), ("h", 3600), ("min", 60)):
        if value_s >= 2 * size_s:
            return f"{value_s / size_s:,.0f} {unit}"
    return f"{value_s:,.0f} s"


@register.filter
def error_share(counts: Counts) -> str:
    if not counts.count:
        return NOTHING
    share = counts.error_share * 100
    return "0 %" if not counts.errors else f"{share:.2f} %" if share < 1 else f"{share:.0f} %"


@register.filter
def percentile(counts: Counts, share: str) -> Any:
    return ms(counts.percentile_ms(int(share) / 100))
