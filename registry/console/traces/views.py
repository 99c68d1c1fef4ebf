"""``/console/journeys``: recent journeys, and ``/console/journeys/ID``: one as a waterfall."""

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from registry.console.logs import beside
from registry.console.navigation import register_entry
from registry.console.pages import page, show
from registry.console.traces import links
from registry.models import Journey
from registry.traces import journey as journeys
from registry.traces.journey import Picture, Row
from registry.traces.store import KEPT_S, SLOW_US

SHOWN = 100
MAX_CHARACTERS = 200
COLOURS = 8
SELECTIONS = {"all": "All", "failed": "Failed", "slow": "Slow"}

register_entry("Journeys", "console:journeys", place=20, also=("console:journey",))


@page
def recent(request: HttpRequest) -> HttpResponse:
    """The journeys of the last hour, newest first; ``?show=failed`` or ``slow``, ``?id=`` opens one."""
    wanted = request.GET.get("id", "").strip()
    if len(wanted) > MAX_CHARACTERS or "/" in wanted:
        return _missing(request, wanted)
    if wanted:
        return HttpResponseRedirect(reverse("console:journey", args=[wanted]))
    shown = request.GET.get("show", "all")
    shown = shown if shown in SELECTIONS else "all"
    rows = list(_selected(shown)[: SHOWN + 1])
    context = {
        "selections": [
            {"title": title, "url": f"?show={name}", "is_current": name == shown}
            for name, title in SELECTIONS.items()
        ],
        "journeys": [_line(one) for one in rows[:SHOWN]],
        "has_more": len(rows) > SHOWN,
        "shown": SHOWN,
    }
    return show(request, "registry/console/journeys.html", "Journeys", context)


@page
def one(request: HttpRequest, identifier: str) -> HttpResponse:
    """The journey of a correlation id or a trace id. 404 when nothing of it is kept."""
    found = (
        journeys.find(identifier) if len(identifier) <= MAX_CHARACTERS and "\0" not in identifier else None
    )
    if found is None:
        return _missing(request, identifier)
    colours = {service: number % COLOURS for number, service in enumerate(found.services)}
    context = {
        "journey": found,
        "started_at": found.started_at,
        "duration": span_of_time(found.duration),
        "services": [{"name": name, "colour": colour} for name, colour in colours.items()],
        "cuts": [
            {"left": cut.left, "width": cut.width, "wait": span_of_time(cut.wait)} for cut in found.scale.cuts
        ],
        "rows": [_row(row, colours[row.span.service]) for row in found.rows],
        "most": journeys.MAX_SPANS,
        "logs": beside.of_journey(
            request.user,
            next(iter(found.correlation_ids), ""),
            found.started_at,
            found.started_at + found.duration,
        ),
    }
    return show(request, "registry/console/journey.html", _title(found), context)


def _missing(request: HttpRequest, identifier: str) -> HttpResponse:
    identifier = identifier[:MAX_CHARACTERS]
    missing = {"identifier": identifier, "logs": beside.address(correlation=identifier)}
    return show(request, "registry/console/journey_missing.html", "No such journey", missing, status=404)


def _selected(shown: str) -> QuerySet[Journey]:
    since = timezone.now() - timedelta(seconds=KEPT_S)
    rows = Journey.objects.filter(ended_at__gt=since).order_by("-started_at")
    if shown == "failed":
        return rows.filter(errors__gt=0)
    return rows.filter(slowest_us__gte=SLOW_US) if shown == "slow" else rows


def _line(one: Journey) -> dict[str, Any]:
    return {
        "url": reverse("console:journey", args=[one.trace_id.hex]),
        "name": one.name or "its beginning was not kept",
        "service": one.service,
        "at": one.started_at,
        "request": None if one.request_us is None else span_of_time(timedelta(microseconds=one.request_us)),
        "whole": span_of_time(one.ended_at - one.started_at),
        "spans": one.spans,
        "errors": one.errors,
        "is_slow": one.slowest_us >= SLOW_US,
        "correlation_id": one.correlation_id,
    }


def _row(row: Row, colour: int) -> dict[str, Any]:
    span = row.span
    facts = {name: value for name, value in span.attributes.items() if value not in ("", None)}
    attempt = facts.get("atoll.attempt")
    return {
        "id": span.span_id,
        "depth": row.depth,
        "colour": colour,
        "service": span.service,
        "process": span.process,
        "instance": span.instance,
        "name": span.name,
        "kind": span.kind,
        "error": span.error,
        "is_cut_off": row.is_cut_off,
        "is_undone": bool(facts.get("atoll.undone")),
        "attempt": attempt if isinstance(attempt, int) and attempt > 1 else None,
        "resent": facts.get("http.request.resend_count") or None if span.kind == "client" else None,
        "outcome": facts.get("atoll.outcome", ""),
        "left": row.left,
        "width": min(row.width, 1000 - row.left),
        "after": span_of_time(row.after),
        "took": span_of_time(row.duration),
        "at": span.started_at,
        "facts": sorted(facts.items()),
        "links": links.of_span(span),
    }


def _title(found: Picture) -> str:
    first = found.rows[0].span
    return first.name


def span_of_time(value: timedelta) -> str:
    """``850 µs``, ``12.3 ms``, ``1.25 s``, ``4 min 5 s``."""
    seconds = max(value.total_seconds(), 0.0)
    if seconds < 0.001:
        return f"{seconds * 1_000_000:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
