"""The page "Explain this request", which can also send the request."""

import time
from datetime import datetime
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters

from atoll.admin import site
from atoll.identity.backends import roles_of
from atoll.identity.principal import Principal
from gateway.admin.request_form import CREDENTIAL, DRAFT, ME, VISITOR, RequestForm
from gateway.audit import name_of
from gateway.edge.routes.route import InvalidConfiguration
from gateway.edge.routes.routing import Table
from gateway.edge.routes.snapshot import read
from gateway.explain import asked as typed
from gateway.explain.asked import Asked, NotARequest
from gateway.explain.callers import caller
from gateway.explain.explain import Explanation, FindCaller, explain
from gateway.explain.own_token import own_token
from gateway.explain.trying import Tried, send
from gateway.live.figures import InstanceState, of_service
from gateway.live.source import Away, ask
from gateway.models import RequestLog, Route
from gateway.usecases.publish import draft

MAY_TRY = "gateway.change_route"
TRY = "try"
AUDITED_CHARS = 500
LOGGED_WITHIN_S = 2.0
SENDERS = {VISITOR: "a visitor", ME: "themselves", CREDENTIAL: "the owner of a token or key"}


@sensitive_post_parameters("password", "token")
def explain_page(request: HttpRequest) -> HttpResponse:
    may_try = request.user.has_perm(MAY_TRY)
    tries = may_try and TRY in request.POST
    form = RequestForm(
        request.POST if request.method == "POST" else None, tries=tries, initial=_asked_for(request)
    )
    page: dict[str, Any] = {
        **site.each_context(request),
        "title": "Explain this request",
        "form": form,
        "may_try": may_try,
        "me": name_of(request.user),
    }
    if request.method == "POST" and form.is_valid():
        try:
            page |= _answers(request, form.cleaned_data, tries=tries)
        except (NotARequest, InvalidConfiguration) as error:
            form.add_error(None, str(error))
    form.ask_again()
    return TemplateResponse(request, "gateway/explain.html", page, headers={"Cache-Control": "no-store"})


def _asked_for(request: HttpRequest) -> dict[str, str]:
    """Method and address of the page's own address: a link fills in the form."""
    given = {name: request.GET.get(name, "")[: typed.MAX_CHARS] for name in ("method", "address")}
    return {name: value for name, value in given.items() if value}


def _answers(request: HttpRequest, given: dict[str, Any], *, tries: bool) -> dict[str, Any]:
    """Raises NotARequest, and InvalidConfiguration when the chosen table is not valid."""
    if given["caller"] != ME:
        return _told(request, given, given["token"], caller, tries=tries)
    if not tries:
        return _told(request, given, "", lambda *_: _myself(request.user), tries=False)
    with own_token(request, given["password"]) as token:
        return _told(request, given, token, caller, tries=True)


def _told(
    request: HttpRequest, given: dict[str, Any], token: str, find_caller: FindCaller, *, tries: bool
) -> dict[str, Any]:
    explained, tried = (
        typed.read(
            given["method"], given["address"], given["headers"], token, given["client"], request.get_host()
        )
        for _ in range(2)
    )
    table = _table(given["table"])
    told = explain(explained, table, find_caller)
    shown = {"told": told, "version": table.version, "of": given["table"], "instances": _instances(told)}
    if tries:
        shown |= _try(request, tried, given, told)
    return shown


def _myself(user: Any) -> Principal:
    """The member of staff with the roles of today, as a token would name them."""
    return Principal(user.username, roles_of(user), "user", None, "", user.email, user.get_full_name())


def _table(chosen: str) -> Table:
    found = draft()
    if chosen == DRAFT or found.latest is None:
        return Table(read(found.document))
    return Table(read(found.latest.document))


def _try(request: HttpRequest, asked: Asked, given: dict[str, Any], told: Explanation) -> dict[str, Any]:
    began = timezone.now()
    tried = send(asked, given["body"].encode())
    _audit(request, asked, given["caller"], tried, told)
    row = _logged(tried.correlation_id, began) if tried.correlation_id else None
    return {"tried": tried, "logged": row}


def _audit(request: HttpRequest, asked: Asked, sender: str, tried: Tried, told: Explanation) -> None:
    """An entry in the history of the route, or of no row when no route took the request."""
    path = asked.path.decode("latin-1")[:AUDITED_CHARS]
    outcome = f"answered {tried.status}" if tried.status else "no answer"
    route = Route.objects.filter(name=told.route.name).first() if told.route is not None else None
    by: Any = request.user.pk
    LogEntry.objects.create(
        user_id=by,
        content_type=ContentType.objects.get_for_model(Route),
        object_id=str(route.pk) if route is not None else None,
        object_repr=str(route or path)[:200],
        action_flag=CHANGE,
        change_message=f"tried {asked.method} {path} as {SENDERS[sender]}: {outcome}",
    )


def _logged(correlation_id: str, since: datetime) -> RequestLog | None:
    """The row of the request log. The edge stores it a moment later, unless its sample is full."""
    end = time.monotonic() + LOGGED_WITHIN_S
    while True:
        rows = RequestLog.objects.filter(correlation_id=correlation_id, at__gte=since)
        row = rows.order_by("-id").first()
        if row is not None or time.monotonic() > end:
            return row
        time.sleep(0.1)


def _instances(told: Explanation) -> list[tuple[str, list[InstanceState], str]]:
    """For each service: its instances as the edges see them, or why they are not known."""
    if not told.services:
        return []
    try:
        sample = ask()
    except Away as away:
        return [(service, [], str(away)) for service in told.services]
    return [
        (service, of_service(sample.instances.values(), service), "No instance of it is known.")
        for service in told.services
    ]
