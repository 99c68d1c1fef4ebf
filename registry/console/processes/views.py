"""``/console/processes``: the processes on this machine. ``?name=`` asks before an act on one of them."""

import re
from collections.abc import Container
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods

from atoll.errors import Refusal
from atoll.identity.backends import roles_of
from atoll.identity.roles import ADMIN
from registry import selectors
from registry.admin.affected import of_instances
from registry.console.pages import show, staff_only
from registry.models import Instance
from registry.usecases.steer_process import NEVER_STOPPED, processes, service_of, steer_process

# The supervisor gives each start a name of its own.
START = re.compile(r"-[0-9a-f]{6}")
DONE = {
    "restart": "{} ends, and the supervisor starts it again.",
    "stop": "{} ends, and stays stopped until you start it.",
    "start": "{} starts.",
}


@require_http_methods(["GET", "HEAD", "POST"])
@staff_only
def all_or_one(request: HttpRequest) -> HttpResponse:
    may_act = ADMIN in roles_of(request.user)
    if request.method == "POST":
        return _act(request) if may_act else _list(request, may_act, "Only administrators may do this.", 403)
    name = request.GET.get("name", "")
    if not name or not may_act:
        return _list(request, may_act)
    row = processes().get(name)
    if row is None:
        return _list(request, may_act, f"No process “{name[:80]}” runs here.", 404)
    service, is_worker = service_of(name), row["kind"] == "worker"
    context = {
        "name": name,
        "row": row,
        "service": service,
        "is_worker": is_worker,
        "may_stop": name not in NEVER_STOPPED,
        "affected": _affected(name, service, is_worker=is_worker),
    }
    return show(request, "registry/console/process_question.html", f"{name}: restart or stop?", context)


def address(instance_id: str, known: Container[str]) -> str:
    """The page that asks about the process of an instance; empty when it is none of the ``known`` ones."""
    name = instance_id[: -len("-abcdef")]
    if not START.fullmatch(instance_id[len(name) :]) or name not in known:
        return ""
    return f"{reverse('console:processes')}?{urlencode({'name': name})}"


def _act(request: HttpRequest) -> HttpResponse:
    name, act = request.POST.get("name", ""), request.POST.get("act", "")
    try:
        steer_process(name, act, actor=f"staff:{request.user.get_username()}")
    except Refusal as refusal:
        return _list(request, True, refusal.message, 400)
    # This page leads back by itself: the process may be one that shows pages.
    context = {"told": DONE[act].format(name)}
    return show(request, "registry/console/process_done.html", f"{name}: {act}", context)


def _list(request: HttpRequest, may_act: bool, problem: str = "", status: int = 200) -> HttpResponse:
    context: dict[str, Any] = {"rows": processes().values(), "may_act": may_act, "problem": problem}
    return show(request, "registry/console/processes.html", "Processes", context, status=status)


def _affected(name: str, service: str, *, is_worker: bool) -> list[str]:
    """For whom it stops."""
    found = Instance.objects.filter(service__name=service)
    ours = [
        one
        for one in found.filter(instance_id__startswith=f"{name}-").select_related("service")
        if START.fullmatch(one.instance_id[len(name) :])
    ]
    if not is_worker:
        return of_instances(ours)
    others = found.exclude(pk__in=[one.pk for one in ours])
    running = sum(selectors.status(one) == "healthy" for one in selectors.with_health(others))
    return [f"{service}: other workers that run: {running}."]
