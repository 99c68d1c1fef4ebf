"""The page that shows the unpublished changes in words, asks why, and publishes or drops them."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminTextInputWidget

from atoll.admin import site
from atoll.admin.confirming import CONFIRMED
from atoll.admin.lines import LineField
from gateway.audit import name_of
from gateway.edge.routes.snapshot import InvalidConfiguration
from gateway.usecases.discard import discard
from gateway.usecases.publish import Draft, Overtaken, check_draft, draft, publish

OVERTAKEN = (
    "Somebody changed or published something since you opened this page. It now shows all changes: look at "
    "them, then decide again."
)
MAX_WHY_CHARS = 500
MAY_PUBLISH = "gateway.publish_publication"


class WhyForm(forms.Form):
    """``seen`` is the token of the draft that the page showed."""

    why = LineField(
        label="Why",
        max_length=MAX_WHY_CHARS,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="One sentence for the history.",
    )
    seen = forms.CharField(widget=forms.HiddenInput, max_length=64)


def review_page(request: HttpRequest) -> HttpResponse:
    if request.method == "POST" and not request.user.has_perm(MAY_PUBLISH):
        return HttpResponseRedirect(reverse("admin:gateway_review"))
    found = draft()
    form = WhyForm(request.POST if request.method == "POST" else None, initial={"seen": found.token})
    if request.method == "POST" and form.is_valid():
        answered = _publish(request, form.cleaned_data)
        if answered is not None:
            return answered
        found = draft()
        form = WhyForm(initial={"why": form.cleaned_data["why"], "seen": found.token})
    return _page(request, found, form)


def discard_page(request: HttpRequest) -> HttpResponse:
    """Asks first, then drops the changes that the page showed."""
    back = HttpResponseRedirect(reverse("admin:gateway_review"))
    found = draft()
    waiting = found.changes()
    if not waiting:
        return back
    if request.method != "POST" or request.POST.get(CONFIRMED) != "discard":
        page = {
            **site.each_context(request),
            "title": "Drop the unpublished changes?",
            "changes": waiting,
            "token": found.token,
        }
        return TemplateResponse(request, "gateway/discard.html", page)
    try:
        dropped = discard(name_of(request.user), seen=request.POST.get("seen", ""))
    except Overtaken:
        messages.error(request, OVERTAKEN)
    except InvalidConfiguration as error:
        messages.error(request, f"Nothing was changed. {error}")
    else:
        messages.success(request, f"Dropped: {dropped}. The draft equals the published table again.")
    return back


def _publish(request: HttpRequest, given: dict[str, Any]) -> HttpResponse | None:
    """None when the operator must look at the page again."""
    try:
        publication = publish(name_of(request.user), given["why"], seen=given["seen"])
    except Overtaken:
        messages.error(request, OVERTAKEN)
        return None
    except InvalidConfiguration as error:
        messages.error(request, f"Nothing was published. {error}")
        return None
    messages.success(request, f"Published as version {publication.version}.")
    return HttpResponseRedirect(reverse("admin:gateway_publication_change", args=[publication.version]))


def _page(request: HttpRequest, found: Draft, form: WhyForm) -> HttpResponse:
    page = {
        **site.each_context(request),
        "title": "Unpublished changes",
        "changes": found.changes(),
        "problem": _problem(),
        "latest": found.latest,
        "version": found.version,
        "token": found.token,
        "form": form,
        "may_publish": request.user.has_perm(MAY_PUBLISH),
    }
    return TemplateResponse(request, "gateway/review.html", page)


def _problem() -> str:
    """Why the draft cannot be published; empty when it can."""
    try:
        check_draft()
    except InvalidConfiguration as error:
        return str(error)
    return ""
