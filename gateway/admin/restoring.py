"""The page that brings a former version back."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from atoll.admin import site
from gateway.admin.review import OVERTAKEN, WhyForm
from gateway.audit import name_of
from gateway.draft.changes import changes
from gateway.edge.routes.snapshot import InvalidConfiguration
from gateway.models import Publication
from gateway.usecases.publish import Overtaken, draft
from gateway.usecases.restore import restorable, restore

MAX_DIGITS = 10


def restore_page(request: HttpRequest) -> HttpResponse:
    """``?version=3``: shows what would change, and restores on POST. Raises Http404."""
    former = _named(request.GET.get("version", ""))
    version, found = former.version, draft()
    why = f"Version {version} brought back."
    form = WhyForm(
        request.POST if request.method == "POST" else None, initial={"seen": found.token, "why": why}
    )
    if request.method == "POST" and form.is_valid():
        answered = _restore(request, version, form.cleaned_data)
        if answered is not None:
            return answered
        found = draft()
        form = WhyForm(initial={"seen": found.token, "why": form.cleaned_data["why"]})
    page = {
        **site.each_context(request),
        "title": f"Bring version {version} back",
        "former": former,
        "changes": changes(
            found.latest.document if found.latest else None, restorable(former, found, request.user.has_perm)
        ),
        "dropped": found.changes(),
        "form": form,
    }
    return TemplateResponse(request, "gateway/restore.html", page)


def _named(version: str) -> Publication:
    is_number = version.isascii() and version.isdigit() and len(version) < MAX_DIGITS
    former = Publication.objects.filter(version=int(version)).first() if is_number else None
    if former is None:
        raise Http404("There is no such version.")
    return former


def _restore(request: HttpRequest, version: int, given: dict[str, str]) -> HttpResponse | None:
    """None when the operator must look at the page again."""
    try:
        publication = restore(
            version, name_of(request.user), given["why"], seen=given["seen"], may=request.user.has_perm
        )
    except Overtaken:
        messages.error(request, OVERTAKEN)
        return None
    except InvalidConfiguration as error:
        messages.error(request, f"Nothing was changed. {error}")
        return None
    messages.success(request, f"Version {version} is back, as version {publication.version}.")
    return HttpResponseRedirect(reverse("admin:gateway_publication_change", args=[publication.version]))
