"""Actions of a row that ask with a form, in a dialog over the page or on a page of their own."""

import functools
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from unfold.dataclasses import ActionDialog
from unfold.decorators import action as unfold_action
from unfold.forms import BaseDialogForm

__all__ = ["Act", "action", "redirect"]

Act = Callable[..., HttpResponse]


def action(*, dialog: ActionDialog, **about: Any) -> Callable[[Act], Any]:
    """Unfold's ``action`` with a ``dialog``; the method gets the valid form.

    Unfold answers a part of a page. Without JavaScript, or in a tab of its own, the question is a whole page.
    """

    def wrap(method: Act) -> Any:
        @functools.wraps(method)
        def ask(admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
            form_class = dialog["form_class"] or BaseDialogForm
            form = form_class(data=request.POST or None, request=request, object_id=object_id)
            if form.is_valid():
                return method(admin, request, form, object_id)
            page = {
                **admin.admin_site.each_context(request),
                "title": dialog["title"],
                "opts": admin.opts,
                "dialog": dialog,
                "form": form,
                "back_to": "../change/",
            }
            return TemplateResponse(request, "atoll/admin/dialog.html", page)

        made = unfold_action(**about)(ask)
        made.dialog = dialog
        return made

    return wrap


def redirect(request: HttpRequest, address: str) -> HttpResponse:
    """Lead the browser from a dialog to ``address``. HTMX sends dialogs and follows ``HX-Redirect`` only."""
    if "HX-Request" in request.headers:
        return HttpResponse(headers={"HX-Redirect": address})
    return HttpResponseRedirect(address)
