"""The page of charts: of the whole platform, of one service, or of one route or handler."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from registry.console.charts.drawing import Line, chart, every
from registry.console.charts.periods import PERIODS, Period, period_of
from registry.console.figures import store
from registry.console.figures.store import Point, Total
from registry.console.navigation import register_entry
from registry.console.pages import page, show

register_entry("Charts", "console:charts", place=40)

GATEWAY = "api-gateway"
KINDS = {
    "request": "Requests",
    "handler": "Handler runs",
    "call": "Calls to other services",
    "outcome": "Outcomes",
}
SORTS = {"busy": "busiest first", "slow": "slowest first", "errors": "errors first"}
# A route with fewer requests says little about its slowness.
MAX_ROWS = 50
MAX_NAME = 300


@page
def charts(request: HttpRequest) -> HttpResponse:
    asked = request.GET
    period = period_of(asked.get("period", ""))
    sort = _one_of(SORTS, asked.get("sort", ""))
    service, name = _word(asked.get("service", "")), _word(asked.get("name", ""))
    kind = _one_of(KINDS, asked.get("kind", ""))
    chosen = {"service": service, "kind": kind if name else "", "name": name, "sort": sort}
    measured_s = store.measured_s(period.length)
    context: dict[str, Any] = {
        "periods": [
            (one.title, _address(chosen | {"period": one.name}), one is period) for one in PERIODS.values()
        ],
        "period": period,
        "service": service,
        "name": name,
        "kind_title": KINDS[kind],
        "sections": [_charts(period, kind, service or GATEWAY, name, measured_s)],
        "of": service or f"{GATEWAY}, where all requests of clients arrive",
        "all": _address({"period": period.name}),
        "of_service": _address({"period": period.name, "service": service}),
    }
    if not name:
        context["tables"] = [_table(one, period, service, sort, measured_s) for one in KINDS]
        context["sorts"] = [
            (title, _address(chosen | {"period": period.name, "sort": value}), value == sort)
            for value, title in SORTS.items()
        ]
        context["backlog"] = _backlog(period, service)
    return show(request, "registry/console/charts.html", _title(service, name, sort, period), context)


def _title(service: str, name: str, sort: str, period: Period) -> str:
    if name:
        return name
    if service:
        return service
    return f"Slowest endpoints, {period.title.lower()}" if sort == "slow" else "Charts"


def _charts(period: Period, kind: str, service: str, name: str, measured_s: float) -> dict[str, Any]:
    """The two charts of a service or of one thing of it, and the table of their values."""
    now = timezone.now()
    times = every(period.step, period.length, now)
    found = {point.at: point for point in store.series(kind, period.length, period.step, service, name)}
    step_s = period.step.total_seconds()
    points = [found.get(at) for at in times]
    spans = [min(step_s, max((now - at).total_seconds(), 1.0)) for at in times]
    rates = [_rate(point, span, False) for point, span in zip(points, spans, strict=True)]
    errors = [_rate(point, span, True) for point, span in zip(points, spans, strict=True)]
    shares = {share: [_ms(point, share) for point in points] for share in (0.50, 0.95, 0.99)}
    return {
        "rates": chart("Per second", times, [Line("All", "a", rates), Line("Errors", "c", errors)]),
        "durations": chart(
            "Durations", times,
            [Line(f"p{share * 100:.0f}", css, shares[share])
             for share, css in ((0.50, "a"), (0.95, "b"), (0.99, "c"))],
            "ms",
        ),
        "rows": [
            (at, point.counts)
            for at, point in zip(reversed(times), reversed(points), strict=True)
            if point is not None
        ],
    }  # fmt: skip


def _table(kind: str, period: Period, service: str, sort: str, measured_s: float) -> dict[str, Any]:
    rows = store.totals(kind, period.length, service)
    if kind == "request" and not service:
        # The gateway's routes repeat the requests that the services answer.
        rows = [row for row in rows if row.service != GATEWAY] or rows
    rows.sort(key=lambda row: _rank(row, sort), reverse=True)
    return {
        "title": KINDS[kind],
        "rows": [
            {
                "service": row.service,
                "name": row.name,
                "url": _address(
                    {"period": period.name, "service": row.service, "kind": kind, "name": row.name}
                ),
                "counts": row.counts,
                "rate": row.counts.count / measured_s,
                "is_bad": row.counts.error_share > 0.05,
            }
            for row in rows[:MAX_ROWS]
        ],
        "left_out": max(len(rows) - MAX_ROWS, 0),
    }


def _rank(row: Total, sort: str) -> tuple[float, float]:
    if sort == "slow":
        return row.counts.percentile_ms(0.95) or 0.0, row.counts.count
    if sort == "errors":
        return row.counts.errors, row.counts.count
    return row.counts.count, row.counts.errors


def _backlog(period: Period, service: str) -> list[dict[str, Any]]:
    """A chart of the age of the oldest due delivery, for each service that has one."""
    times = every(period.step, period.length, timezone.now())
    names = sorted({name for name, gauge in store.gauges() if gauge == "oldest due"})
    drawn = []
    for name in [one for one in names if service in ("", one)]:
        found = {
            point.at: point.peak
            for point in store.series("gauge", period.length, period.step, name, "oldest due")
        }
        values = [found.get(at) for at in times]
        peak = max((value for value in values if value is not None), default=0.0)
        lines = [Line("Oldest due delivery", "a", values)]
        drawn.append(
            {"service": name, "chart": chart("Oldest due delivery", times, lines, "s"), "peak": peak}
        )
    return drawn


def _rate(point: Point | None, span_s: float, is_errors: bool) -> float:
    if point is None:
        return 0.0
    return (point.counts.errors if is_errors else point.counts.count) / span_s


def _ms(point: Point | None, share: float) -> float | None:
    return point.counts.percentile_ms(share) if point is not None else None


def _address(query: dict[str, Any]) -> str:
    return f"{reverse('console:charts')}?{urlencode({key: value for key, value in query.items() if value})}"


def _one_of(known: dict[str, str], wanted: str) -> str:
    """``wanted``, or the first of the known ones."""
    return wanted if wanted in known else next(iter(known))


def _word(text: str) -> str:
    return text[:MAX_NAME]
