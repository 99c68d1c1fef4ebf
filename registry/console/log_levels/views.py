"""``/console/log-levels``: the levels that are set. The form asks with a page of its own before it acts."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from atoll.errors import Refusal
from atoll.identity.backends import roles_of
from atoll.identity.roles import OPERATOR, SUPPORT, holds_one_of
from atoll.server.log_level import LEVELS
from registry import selectors
from registry.console.pages import show, staff_only
from registry.models import Instance, LogLevel
from registry.usecases.log_level import DEFAULT_MINUTES, MAX_MINUTES, check, end_log_level, set_log_level

SET, END = "set", "end"


@dataclass(frozen=True)
class Choice:
    """``target`` is a service, or a service and an instance with a slash between them."""

    target: str
    level: str
    minutes: int

    @property
    def service(self) -> str:
        return self.target.partition("/")[0]

    @property
    def instance_id(self) -> str:
        return self.target.partition("/")[2]


@require_http_methods(["GET", "HEAD", "POST"])
@staff_only
def log_levels(request: HttpRequest) -> HttpResponse:
    """With ``?target=`` the question; a POST acts."""
    roles = roles_of(request.user)
    if not holds_one_of(roles, (SUPPORT, OPERATOR)):
        return show(request, "registry/console/logs_refused.html", "Log levels", status=403)
    may_act = holds_one_of(roles, (OPERATOR,))
    if request.method == "POST":
        return _act(request) if may_act else _page(request, may_act, "Only operators set levels.", 403)
    if "target" in request.GET and may_act:
        return _question(request)
    return _page(request, may_act)


def _act(request: HttpRequest) -> HttpResponse:
    choice = _choice(request.POST)
    actor = f"staff:{request.user.get_username()}"
    try:
        if request.POST.get("act") == END:
            was_set = end_log_level(choice.service, choice.instance_id, actor=actor)
            told = f"{choice.target} writes the lines of its configuration again, within 15 seconds."
            messages.success(request, told if was_set else "This level had ended already.")
        else:
            set_log_level(choice.service, choice.instance_id, choice.level, choice.minutes, actor=actor)
            told = f"{choice.target} writes lines from {choice.level} on within 15 seconds"
            messages.success(request, f"{told}, for {choice.minutes} minutes.")
    except Refusal as refusal:
        return _page(request, True, refusal.message, 400)
    return HttpResponseRedirect(reverse("console:log-levels"))


def _question(request: HttpRequest) -> HttpResponse:
    choice = _choice(request.GET)
    try:
        check(choice.service, choice.instance_id, choice.level, choice.minutes)
    except Refusal as refusal:
        return _page(request, True, refusal.message, 400)
    found = selectors.with_health(Instance.objects.filter(service__name=choice.service))
    if choice.instance_id:
        found = found.filter(instance_id=choice.instance_id)
    context = {
        "choice": choice,
        "instances": [(one.instance_id, selectors.status(one)) for one in found.order_by("instance_id")],
    }
    return show(request, "registry/console/log_level_question.html", "Set the log level?", context)


def _page(request: HttpRequest, may_act: bool, problem: str = "", status: int = 200) -> HttpResponse:
    given = request.POST if request.method == "POST" else request.GET
    targets: dict[str, list[str]] = {}
    for service, instance_id in Instance.objects.order_by("service__name", "instance_id").values_list(
        "service__name", "instance_id"
    ):
        targets.setdefault(service, []).append(f"{service}/{instance_id}")
    wanted = given.get("target") or given.get("for", "")
    context: dict[str, Any] = {
        "problem": problem,
        "may_act": may_act,
        "current": LogLevel.objects.filter(ends_at__gt=Now()),
        "targets": list(targets.items()),
        "levels": LEVELS,
        "target": wanted,
        "level": given.get("level", "debug"),
        "minutes": given.get("minutes", DEFAULT_MINUTES),
        "most_minutes": MAX_MINUTES,
    }
    return show(request, "registry/console/log_levels.html", "Log levels", context, status=status)


def _choice(given: Any) -> Choice:
    minutes = str(given.get("minutes", ""))
    # Zero minutes are refused with the others that are out of bounds.
    number = int(minutes) if minutes.isascii() and minutes.isdecimal() and len(minutes) < 6 else 0
    target = str(given.get("target", "")).replace("\0", "")[:250]
    return Choice(target, str(given.get("level", "")), number)
