"""The page with live figures per route and per instance, which refreshes itself."""

from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from atoll.admin import site
from gateway.edge.upstream import naming
from gateway.live.figures import BREAKERS, PERCENTILES, Counts, InstanceState, Sample, of_service
from gateway.live.source import Away, Samples

REFRESH_EVERY_S = 3
NOTHING = "–"
STALE_NAME_S = 3 * naming.RESOLVE_EVERY_S
OWN = "-"  # the name under which the gateway counts what it answers itself
GATEWAY = "the gateway itself"


@cache
def _samples() -> Samples:
    return Samples()


def live_page(request: HttpRequest) -> HttpResponse:
    page = {
        **site.each_context(request),
        "title": "Live figures",
        "figures": _render(request),
        "refresh_url": reverse("admin:gateway_live_figures"),
        "refresh_every_s": REFRESH_EVERY_S,
    }
    return TemplateResponse(request, "gateway/live.html", page)


def figures_part(request: HttpRequest) -> HttpResponse:
    """Answer with the part of the page that refreshes."""
    return HttpResponse(_render(request))


def _render(request: HttpRequest) -> str:
    try:
        sample, earlier = _samples().take()
        context = {"at": timezone.now(), **_context(sample, earlier)}
    except Away as away:
        context = {"problem": str(away)}
    return render_to_string("gateway/figures.html", context, request)


def _context(sample: Sample, earlier: Sample | None) -> dict[str, Any]:
    period_s = sample.at - earlier.at if earlier else 0.0
    before = earlier.routes if earlier else {}
    rows = [
        _route(name, counts, before.get(name), period_s) for name, counts in sorted(sample.routes.items())
    ]
    return {
        "period": f"the last {period_s:.0f} s" if earlier else "all time since the gateway started",
        "routes": sorted(rows, key=lambda row: -row["count"]),
        "services": [_service(name, sample, earlier) for name in sorted(sample.services)],
    }


def _route(name: str, counts: Counts, earlier: Counts | None, period_s: float) -> dict[str, Any]:
    shown = counts.since(earlier) if period_s else counts
    return {
        "name": GATEWAY if name == OWN else name,
        "count": shown.requests,
        "requests": f"{shown.requests:,.0f}",
        "rate": f"{shown.requests / period_s:,.1f}" if period_s else NOTHING,
        "refused": f"{shown.refused:,.0f}",
        "failed": f"{shown.failed:,.0f}",
        "has_failed": shown.failed > 0,
        "percentiles": [_ms(shown.percentile_ms(share)) for share in PERCENTILES],
    }


def _instance(one: InstanceState, earlier: Sample | None, period_s: float) -> dict[str, Any]:
    shown = one.since(earlier.instances.get((one.service, one.instance)) if earlier else None)
    return {
        "instance": one.instance,
        "in_flight": one.in_flight,
        "why_out": one.why_out,
        "rate": f"{shown.requests / period_s:,.1f}" if period_s else NOTHING,
        "failed": f"{shown.failed:,.0f}",
        "has_failed": shown.failed > 0,
    }


def _service(name: str, sample: Sample, earlier: Sample | None) -> dict[str, Any]:
    period_s = sample.at - earlier.at if earlier else 0.0
    figures = sample.services[name]
    breaker = BREAKERS.get(int(figures.get("gateway_breaker", 0)), "")
    return {
        "name": name,
        "in_flight": f"{figures.get('gateway_in_flight', 0):,.0f}",
        "breaker": breaker,
        "is_bad": breaker != "closed",
        "hedges": _hedges(figures),
        "name_age": _name_age(figures.get("gateway_name_age_seconds")),
        "instances": [
            _instance(one, earlier, period_s) for one in of_service(sample.instances.values(), name)
        ],
    }


def _hedges(figures: dict[str, float]) -> str:
    sent = figures.get("gateway_hedges_total", 0)
    if not sent:
        return ""
    won = figures.get("gateway_hedges_won_total", 0)
    return f"second requests since its start: {sent:,.0f}, {won:,.0f} of them answered first"


def _name_age(age_s: float | None) -> str:
    """Empty while the name is resolved as often as it should be."""
    if age_s is None or age_s < STALE_NAME_S:
        return ""
    shown = f"{age_s:,.0f} s" if age_s < 120 else f"{age_s / 60:,.0f} min"
    return f"its name does not resolve; the addresses are {shown} old"


def _ms(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"
