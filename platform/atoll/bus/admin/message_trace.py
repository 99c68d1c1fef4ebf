"""The page "Where is my message?": the trace of a message through all services."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from atoll import conf
from atoll.admin import short_id, site
from atoll.bus.admin.deliveries import short_handler_name
from atoll.bus.admin.ledger import BADGE_COLOURS, trace_link
from atoll.bus.operations import message_trace
from atoll.bus.operations.message_trace import Step, Trace

HANDLED = {
    "done": "handled by",
    "pending": "waits for",
    "running": "runs in",
    "dead": "died in",
    "ignored": "ignored by",
    "discarded": "discarded, was for",
    "cancelled": "cancelled, was for",
}
ROWS = {"announced": "outbox", "received": "inbox", "handled": "delivery", "quarantined": "quarantine"}


@dataclass(frozen=True)
class Line:
    """One step as a row of the page."""

    step: Step
    service: str
    day: str
    at: str
    deed: str
    place: Any
    colour: str
    took: str
    row_url: str | None
    message: Any
    correlation: Any


def trace_page(request: HttpRequest) -> HttpResponse:
    wanted = request.GET.get("q", "").strip()
    problem = ""
    if len(wanted) > message_trace.MAX_ID_CHARACTERS:
        wanted, problem = "", f"No id has more than {message_trace.MAX_ID_CHARACTERS} characters."
    traces = message_trace.platform_traces(wanted) if wanted else []
    lines = _lines(traces)
    days = {line.step.at.date() for line in lines}
    page = {
        **site.each_context(request),
        "title": "Where is my message?",
        "wanted": wanted,
        "problem": problem,
        "traces": traces,
        "lines": lines,
        "day": days.pop() if len(days) == 1 else None,
        "has_others": any(line.step.correlation_id != wanted for line in lines),
        "max_steps": message_trace.MAX_STEPS,
    }
    return TemplateResponse(request, "atoll/bus/message_trace.html", page)


def _lines(traces: list[Trace]) -> list[Line]:
    steps = [(step, trace.service) for trace in traces for step in trace.steps]
    order = list(ROWS)
    steps.sort(key=lambda pair: (pair[0].at, order.index(pair[0].what) if pair[0].what in ROWS else 0))
    return [_line(step, service) for step, service in steps]


def _line(step: Step, service: str) -> Line:
    is_ours = service == conf.service_name() and step.what in ROWS
    return Line(
        step=step,
        service=service,
        day=step.at.strftime("%Y-%m-%d"),
        at=step.at.strftime("%H:%M:%S.%f")[:-3],
        deed=_deed(step),
        place=short_handler_name(step.place) if step.what == "handled" else step.place,
        colour=BADGE_COLOURS.get(step.status, ""),
        took=_took(step),
        row_url=reverse(f"admin:atoll_bus_{ROWS[step.what]}_change", args=[step.row_id]) if is_ours else None,
        message=short_id(step.message_id, search=reverse("admin:atoll_bus_where")),
        correlation=trace_link(step.correlation_id),
    )


def _deed(step: Step) -> str:
    """What happened, in the words before the place."""
    if step.what == "handled":
        return HANDLED.get(step.status, "for")
    return {"announced": "announced", "received": "received from"}.get(step.what, "quarantined in")


def _took(step: Step) -> str:
    """Return the duration of the step, or the time of its next attempt."""
    if step.due_at is not None:
        return f"next at {step.due_at:%H:%M:%S}" if step.due_at > step.at else "due"
    if step.finished_at is None:
        return ""
    took_s = max((step.finished_at - step.at).total_seconds(), 0)
    return f"after {took_s * 1000:.0f} ms" if took_s < 1 else f"after {took_s:.1f} s"
