"""The page of known handlers, and the page that retires a handler without code."""

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

DECIDE = "atoll_bus.decide_delivery"


def handlers_page(request: HttpRequest) -> HttpResponse:
    may_decide = request.user.has_perm(DECIDE)
    page = {
        **site.each_context(request),
        "title": "Handlers",
        "rows": [_row(standing, may_decide=may_decide) for standing in retiring.standings()],
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
            f"The handler gets no more messages. {open_ones:,} open deliveries are discarded, including dead "
            "letters. A worker that starts with the handler's code ends the retirement; discarded "
            "deliveries can be replayed then."
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
        "The handler %(handler)s is retired; %(count)s delivery was discarded.",
        "The handler %(handler)s is retired; %(count)s deliveries were discarded.",
        discarded,
    )
    messages.success(request, text % {"handler": handler, "count": f"{discarded:,}"})


def _row(standing: Standing, *, may_decide: bool) -> dict[str, Any]:
    named, search = urlencode({"handler": standing.handler}), urlencode({"q": standing.handler})
    return {
        "standing": standing,
        "takes": ", ".join(standing.takes),
        "state": _state(standing),
        "is_bad": standing.may_be_retired,
        "deliveries_url": f"{reverse('admin:atoll_bus_delivery_changelist')}?{search}",
        "retire_url": f"{reverse('admin:atoll_bus_retire')}?{named}"
        if may_decide and standing.may_be_retired
        else "",
    }


def _state(standing: Standing) -> str:
    if standing.retired_at:
        return "Retired"
    if standing.is_attended:
        return "A worker has its code"
    return (
        "No worker has its code"
        if standing.seen_at or not standing.known_since
        else "No worker has started with it"
    )


def _facts(standing: Standing) -> list[tuple[str, Any]]:
    return [
        ("Handler", standing.handler),
        ("Takes", ", ".join(standing.takes) or "unknown"),
        ("Known since", standing.known_since or "unknown"),
        (
            "Last seen",
            f"{standing.seen_at:%Y-%m-%d %H:%M:%S} UTC at {standing.seen_by}"
            if standing.seen_at
            else "never",
        ),
        ("Deliveries that wait", f"{standing.waiting:,}"),
        ("Dead letters", f"{standing.dead:,}"),
    ]
