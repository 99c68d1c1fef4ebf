"""Asks before an action that stops something: a page names the consequence, and its button acts."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

__all__ = ["asks_first", "question"]

CONFIRMED = "confirmed"
CSRF_FIELD = "csrfmiddlewaretoken"
LISTED = 50

Action = Callable[..., Any]


def asks_first(*, warning: str, button: str) -> Callable[[Action], Action]:
    """Decorate an action of a list: it runs after the confirmation of a page with ``warning``.

    The page lists the rows, and the sentences of the class's ``affected``. ``@admin.action`` goes above it;
    its description ends with "…", the sign of an action that asks.
    The page sends the fields of the action (a reason) again.
    """

    def wrap(method: Action) -> Action:
        @functools.wraps(method)
        def ask(admin: Any, request: HttpRequest, queryset: Any) -> Any:
            if request.POST.get(CONFIRMED) == method.__name__:
                return method(admin, request, queryset)
            is_everything = request.POST.get("select_across") == "1"
            total = queryset.count() if is_everything else len(request.POST.getlist(ACTION_CHECKBOX_NAME))
            return question(
                admin,
                request,
                answer=method.__name__,
                warning=warning,
                button=button,
                named=[str(row) for row in queryset[:LISTED]],
                more=max(total - LISTED, 0),
                affected=admin.affected(queryset),
            )

        return ask

    return wrap


def question(
    admin: Any,
    request: HttpRequest,
    *,
    answer: str,
    warning: str,
    button: str,
    named: Iterable[str],
    more: int = 0,
    affected: Iterable[str] = (),
    back_to: str = "",
) -> HttpResponse:
    """The page. Its form sends all fields again, with ``confirmed`` set to ``answer``.

    ``affected`` are sentences with the callers, people or things that the act reaches, and how many. The page
    links to ``back_to``, by default its own address.
    """
    kept = [
        (name, value)
        for name, values in request.POST.lists()
        if name not in (CSRF_FIELD, CONFIRMED)
        for value in values
    ]
    page = {
        **admin.admin_site.each_context(request),
        "title": f"{button}?",
        "opts": admin.opts,
        "warning": warning,
        "button": button,
        "named": list(named),
        "more": more,
        "kept": [*kept, (CONFIRMED, answer)],
        "affected": list(affected),
        "back_to": back_to or request.get_full_path(),
    }
    return TemplateResponse(request, admin.confirm_template, page)
