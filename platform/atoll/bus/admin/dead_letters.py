"""The pages of failing deliveries and dead letters in groups: staff replay or discard a whole group."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.http import urlencode
from django.utils.translation import ngettext

from atoll.admin import site
from atoll.bus.admin import decisions
from atoll.bus.admin.decisions import Question
from atoll.bus.admin.deliveries import short_handler_name
from atoll.bus.admin.ledger import log_many, trace_link
from atoll.bus.models import Delivery
from atoll.bus.operations import dead_letters, failing_deliveries
from atoll.bus.operations.dead_letters import DeadGroup, FailureGroup
from atoll.bus.operations.failing_deliveries import FailingGroup

SAMPLES = 10
DECIDE = "atoll_bus.decide_delivery"


def groups_page(request: HttpRequest) -> HttpResponse:
    as_of = dead_letters.database_now()
    found = dead_letters.groups()
    page = {
        **site.each_context(request),
        "title": "Dead letters",
        "failing": [_failing_row(request, one, as_of) for one in failing_deliveries.groups()],
        "rows": [_row(request, one, as_of) for one in found],
        "is_cut": len(found) == dead_letters.MAX_GROUPS,
    }
    return TemplateResponse(request, "atoll/bus/dead_letters.html", page)


def group_page(request: HttpRequest) -> HttpResponse:
    """Show the newest messages of one group, with links to replay or discard the group."""
    group, as_of = _group(request), dead_letters.database_now()
    newest = dead_letters.newest(group, SAMPLES)
    dead, failing = dead_letters.count_group(group, as_of)
    page = {
        **site.each_context(request),
        "title": "Messages of one cause",
        "group": group,
        "newest": [(row, trace_link(row.message.correlation_id)) for row in newest],
        "dead": dead,
        "failing": failing,
        **_addresses(request, group, as_of),
    }
    return TemplateResponse(request, "atoll/bus/dead_group.html", page)


def replay_page(request: HttpRequest) -> HttpResponse:
    group, until = _group(request), _until(request)
    dead, failing = dead_letters.count_group(group, until)
    pace = dead_letters.REPLAYED_PER_S
    question = Question(
        title="Replay a group",
        warning=f"These deliveries run again with all their attempts, at most {pace} a second.",
        button=f"Replay {dead + failing:,}",
        **_about(group, dead, failing),
    )
    return decisions.ask(
        request,
        question,
        lambda _: _decide(request, group, "will run again", lambda: dead_letters.replay_group(group, until)),
    )


def discard_page(request: HttpRequest) -> HttpResponse:
    group, until = _group(request), _until(request)
    dead, failing = dead_letters.count_group(group, until)
    question = Question(
        title="Discard a group",
        warning="These deliveries never run again. The deliveries behind them in their lanes go on.",
        button=f"Discard {dead + failing:,}",
        needs_reason=True,
        **_about(group, dead, failing),
    )
    return decisions.ask(
        request,
        question,
        lambda reason: _decide(
            request,
            group,
            f"discarded: {reason}",
            lambda: dead_letters.discard_group(group, until, reason),
        ),
    )


def _decide(request: HttpRequest, group: FailureGroup, outcome: str, change: Any) -> None:
    with transaction.atomic():
        changed = change()
        log_many(
            request, Delivery, changed, f"{outcome} ({group.name}, {group.handler}, {group.error_group})"
        )
    text = ngettext("%(count)s message: %(outcome)s.", "%(count)s messages: %(outcome)s.", changed)
    level = messages.SUCCESS if changed else messages.WARNING
    messages.add_message(request, level, text % {"count": f"{changed:,}", "outcome": outcome})


def _row(request: HttpRequest, found: DeadGroup, as_of: datetime) -> dict[str, Any]:
    return {
        "found": found,
        "example": _example(found),
        "handler": short_handler_name(found.group.handler),
        "sample": reverse("admin:atoll_bus_delivery_change", args=[found.sample.pk]),
        **_addresses(request, found.group, as_of),
    }


def _failing_row(request: HttpRequest, found: FailingGroup, as_of: datetime) -> dict[str, Any]:
    fewest, most = found.fewest_attempts, found.most_attempts
    return {
        "found": found,
        "example": _example(found),
        "handler": short_handler_name(found.group.handler),
        "attempts": f"{most}" if fewest == most else f"{fewest} to {most}",
        "sample": reverse("admin:atoll_bus_delivery_change", args=[found.sample.pk]),
        **_addresses(request, found.group, as_of),
    }


def _example(found: DeadGroup | FailingGroup) -> str:
    """Return one full error, or "" when the group's name already contains it."""
    error = found.sample.error
    return "" if error in found.group.error_group else error


def group_address(group: FailureGroup) -> str:
    named = urlencode({"handler": group.handler, "name": group.name, "group": group.error_group})
    return f"{reverse('admin:atoll_bus_dead_group')}?{named}"


def _addresses(request: HttpRequest, group: FailureGroup, as_of: datetime) -> dict[str, Any]:
    named = urlencode({"handler": group.handler, "name": group.name, "group": group.error_group})
    until = urlencode({"until": as_of.isoformat()})
    return {
        "group_url": group_address(group),
        "replay_url": f"{reverse('admin:atoll_bus_dead_replay')}?{named}&{until}",
        "discard_url": f"{reverse('admin:atoll_bus_dead_discard')}?{named}&{until}",
        "may_decide": request.user.has_perm(DECIDE),
    }


def _about(group: FailureGroup, dead: int, failing: int) -> dict[str, Any]:
    facts = [
        ("Message", group.name),
        ("Handler", group.handler),
        ("Error", group.error_group),
        ("Dead letters", f"{dead:,}"),
        ("Failing", f"{failing:,}, with attempts left" if failing else ""),
    ]
    return {"facts": facts, "back_to": reverse("admin:atoll_bus_dead_letters")}


def _group(request: HttpRequest) -> FailureGroup:
    """Return the group that the URL names. Raises Http404 when the URL names none."""
    try:
        return FailureGroup(*(request.GET[part] for part in ("handler", "name", "group")))
    except KeyError as error:
        raise Http404(f"The address has no {error}.") from None


def _until(request: HttpRequest) -> datetime:
    """Return the latest time of death that the decision covers: the time of the page that staff saw.

    Raises Http404 without a valid time.
    """
    try:
        until = parse_datetime(request.GET.get("until", ""))
    except ValueError:
        until = None
    if until is None or timezone.is_naive(until):
        raise Http404("The address has no valid `until`.")
    return until
