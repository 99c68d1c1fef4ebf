"""``/openapi.json`` and ``/docs`` of the gateway, for everybody."""

from functools import cache

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny

from atoll import conf, wire
from gateway.edge.routes.routing import Table
from gateway.edge.routes.snapshot import read
from gateway.models import Publication
from gateway.openapi.merge import merge
from gateway.openapi.sources import Sources

TITLE = "Atoll"
EMPTY = {"version": 0, "routes": [], "cors": {}, "aggregates": []}
MAX_AGE_S = 60


@cache
def sources() -> Sources:
    return Sources(conf.home() / "gateway" / "openapi")


@require_safe
def openapi(request: HttpRequest) -> HttpResponse:
    """The document of the published table."""
    latest = Publication.objects.first()
    table = Table(read(latest.document if latest else EMPTY))
    document = merge(table, sources().documents(table.services), title=TITLE)
    answer = HttpResponse(wire.dumps(document), content_type="application/vnd.oai.openapi+json")
    answer["Cache-Control"] = f"max-age={MAX_AGE_S}"
    return answer


# Its script is an answer of its own, so that the page needs no inline one.
docs = SpectacularSwaggerSplitView.as_view(
    url_name="openapi", title=TITLE, authentication_classes=[], permission_classes=[AllowAny]
)
