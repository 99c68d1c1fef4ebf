"""The page that exports the table as YAML, and imports one into the draft."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from atoll.admin import site
from gateway.audit import name_of
from gateway.draft.as_yaml import MAX_BYTES, dump
from gateway.edge.routes.snapshot import InvalidConfiguration
from gateway.known import known_services
from gateway.models import Route
from gateway.usecases.import_table import Refused, import_table
from gateway.usecases.publish import draft

MAY_IMPORT = "gateway.change_route"
YAML = "application/yaml; charset=utf-8"


def files_page(request: HttpRequest) -> HttpResponse:
    """Shows the form; imports on POST."""
    may_import = request.user.has_perm(MAY_IMPORT)
    refused: list[str] = []
    if request.method == "POST" and may_import:
        refused = _import(request)
        if not refused:
            messages.success(request, "Imported into the draft. Nothing is published yet.")
            return HttpResponseRedirect(reverse("admin:gateway_review"))
    page = {
        **site.each_context(request),
        "title": "Import and export",
        "problems": refused,
        "may_import": may_import,
        "latest": draft().latest,
    }
    return TemplateResponse(request, "gateway/files.html", page)


def export_file(request: HttpRequest) -> HttpResponse:
    """``?of=draft`` or the published table, as a download."""
    found = draft()
    is_draft = request.GET.get("of") == "draft" or found.latest is None
    document = found.document if is_draft or found.latest is None else found.latest.document
    insisted = frozenset(Route.objects.exclude(insisted_by="").values_list("name", flat=True))
    name = "draft" if is_draft else f"version-{document['version']}"
    answer = HttpResponse(dump(document, insisted=insisted), content_type=YAML)
    answer["Content-Disposition"] = f'attachment; filename="gateway-{name}.yml"'
    return answer


def _import(request: HttpRequest) -> list[str]:
    """The problems; empty when the table was taken."""
    sent = request.FILES.get("file")
    if sent is None or isinstance(sent, list):
        return ["Choose a file."]
    if (sent.size or 0) > MAX_BYTES:
        return [f"The file has more than {MAX_BYTES} bytes."]
    try:
        import_table(sent.read(), name_of(request.user), known=known_services(), may=request.user.has_perm)
    except Refused as refused:
        return refused.problems
    except InvalidConfiguration as error:
        return [str(error)]
    return []
