"""Which handlers the service knows, who has code for them, and retiring those that nobody has."""

from typing import Any

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import ngettext

from atoll.admin import site
from atoll.bus.admin import decisions
from atoll.bus.admin.decisions import Question
from atoll.bus.handlers import retiring
from atoll.bus.handlers.retiring import Standing
from atoll.bus.models import KnownHandler
from atoll.errors import Conflict

DECIDE = "atoll_bus.change_delivery"


def handlers_page(request: HttpRequest) -> HttpResponse:
    may_decide = request.user.has_perm(DECIDE)
    page = {
        **site.each_context(request),
        "title": "Handlers",
        "rows": [_row(one, may_decide=may_decide) for one in retiring.standings()],
    }
    return TemplateResponse(request, "atoll/bus/handlers.html", page)


def retire_page(request: HttpRequest) -> HttpResponse:
    found = retiring.standing(request.GET.get("handler", ""))
    if found is None:
        raise Http404("There is no handler of that name.")
    open_ones = found.waiting + found.dead
    question = Question(
        title="Retire a handler",
        warning=(
            f"It gets no more messages. {open_ones:,} open deliveries are discarded, dead letters included. "
            "A worker that starts with its code takes it up again; discarded deliveries can be replayed then."
        ),
        button="Retire",
        back_to=reverse("admin:atoll_bus_handlers"),
        needs_reason=True,
        facts=_facts(found),
    )
    return decisions.ask(request, question, lambda reason: _retire(request, found.handler, reason))


def _retire(request: HttpRequest, handler: str, reason: str) -> None:
    try:
        with transaction.atomic():
            discarded = retiring.retire(handler, by=request.user.get_username(), why=reason)
            row = KnownHandler.objects.filter(handler=handler).first()
            LogEntry.objects.create(
                user_id=str(request.user.pk),
                content_type=ContentType.objects.get_for_model(KnownHandler),
                object_id=None,
                object_repr=str(row.handler if row else handler)[:200],
                action_flag=CHANGE,
                change_message=f"retired, {discarded:,} deliveries discarded: {reason}",
            )
    except Conflict as refusal:
        messages.error(request, refusal.message)
        return
    text = ngettext(
        "%(handler)s is retired; %(count)s delivery was discarded.",
        "%(handler)s is retired; %(count)s deliveries were discarded.",
        discarded,
    )
    messages.success(request, text % {"handler": handler, "count": f"{discarded:,}"})


def _row(one: Standing, *, may_decide: bool) -> dict[str, Any]:
    named = urlencode({"handler": one.handler})
    return {
        "one": one,
        "takes": ", ".join(one.takes),
        "state": _state(one),
        "is_bad": one.may_be_retired,
        "deliveries_url": f"{reverse('admin:atoll_bus_delivery_changelist')}?{urlencode({'q': one.handler})}",
        "retire_url": f"{reverse('admin:atoll_bus_retire')}?{named}"
        if may_decide and one.may_be_retired
        else "",
    }


def _state(one: Standing) -> str:
    if one.retired_at:
        return "Retired"
    if one.is_attended:
        return "A worker has its code"
    return "No worker has its code" if one.seen_at or not one.known_since else "No worker has started with it"


def _facts(one: Standing) -> list[tuple[str, Any]]:
    return [
        ("Handler", one.handler),
        ("Takes", ", ".join(one.takes) or "unknown"),
        ("Known since", one.known_since or "unknown"),
        ("Last seen", f"{one.seen_at:%Y-%m-%d %H:%M:%S} at {one.seen_by}" if one.seen_at else "never"),
        ("Deliveries that wait", f"{one.waiting:,}"),
        ("Dead letters", f"{one.dead:,}"),
    ]
