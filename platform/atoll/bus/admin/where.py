"""Where is my message? Its course through all services, on one page."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from atoll.admin import short_id, site
from atoll.bus.admin.deliveries import last_part
from atoll.bus.admin.ledger import TONES, trail_link
from atoll.bus.operations import message_trace
from atoll.bus.operations.message_trace import Step, Trace

ROWS = {"announced": "outbox", "received": "inbox", "handled": "delivery", "quarantined": "quarantine"}


@dataclass(frozen=True)
class Line:
    """One step as it is shown."""

    step: Step
    service: str
    day: str
    at: str
    place: Any
    tone: str
    took: str
    row_url: str | None
    message: Any
    correlation: Any


def where_page(request: HttpRequest) -> HttpResponse:
    wanted = request.GET.get("q", "").strip()
    problem = ""
    if len(wanted) > message_trace.MAX_ID_CHARACTERS:
        wanted, problem = "", f"No id has more than {message_trace.MAX_ID_CHARACTERS} characters."
    trails = message_trace.platform_traces(wanted) if wanted else []
    lines = _lines(trails)
    days = {line.step.at.date() for line in lines}
    page = {
        **site.each_context(request),
        "title": "Where is my message?",
        "wanted": wanted,
        "problem": problem,
        "trails": trails,
        "lines": lines,
        "day": days.pop() if len(days) == 1 else None,
        "has_others": any(line.step.correlation_id != wanted for line in lines),
        "max_steps": message_trace.MAX_STEPS,
    }
    return TemplateResponse(request, "atoll/bus/where.html", page)


def _lines(trails: list[Trace]) -> list[Line]:
    told = [(step, trail.service) for trail in trails for step in trail.steps]
    order = list(ROWS)
    told.sort(key=lambda pair: (pair[0].at, order.index(pair[0].what) if pair[0].what in ROWS else 0))
    return [_line(step, service) for step, service in told]


def _line(step: Step, service: str) -> Line:
    is_ours = service == settings.ATOLL_SERVICE and step.what in ROWS
    return Line(
        step=step,
        service=service,
        day=step.at.strftime("%Y-%m-%d"),
        at=step.at.strftime("%H:%M:%S.%f")[:-3],
        place=last_part(step.place) if step.what == "handled" else step.place,
        tone=TONES.get(step.status, ""),
        took=_took(step),
        row_url=reverse(f"admin:atoll_bus_{ROWS[step.what]}_change", args=[step.row_id]) if is_ours else None,
        message=short_id(step.message_id, search=reverse("admin:atoll_bus_where")),
        correlation=trail_link(step.correlation_id),
    )


def _took(step: Step) -> str:
    """How long it took, or when it goes on."""
    if step.due_at is not None:
        return f"next at {step.due_at:%H:%M:%S}" if step.due_at > step.at else "due"
    if step.finished_at is None:
        return ""
    took_s = max((step.finished_at - step.at).total_seconds(), 0)
    return f"after {took_s * 1000:.0f} ms" if took_s < 1 else f"after {took_s:.1f} s"
