"""The URLs that every project serves: its own, health, metrics, OpenAPI and the admin."""

from collections.abc import Sequence

from django.apps import apps
from django.urls import URLPattern, URLResolver, path
from django.views.decorators.http import require_safe
from django.views.generic import RedirectView
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiJsonRenderer2
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny

from atoll import metrics
from atoll.admin import site
from atoll.health import views as health
from atoll.identity.oidc import configuration

__all__ = ["platform_urls", "sign_in_urls"]

Pattern = URLPattern | URLResolver

OPEN = {"authentication_classes": [], "permission_classes": [AllowAny]}


def platform_urls(service_urls: Sequence[Pattern]) -> list[Pattern]:
    """The service's own patterns, then health, metrics, the API's description and the admin.

    Without ``atoll.identity`` in INSTALLED_APPS, people sign in by a password of this project alone, and
    other services, which show tokens, cannot ask about messages.
    """
    has_identity = apps.is_installed("atoll.identity")
    schema = SpectacularAPIView.as_view(renderer_classes=[OpenApiJsonRenderer2, OpenApiJsonRenderer], **OPEN)
    # Its script is an answer of its own, so that the page needs no inline one.
    docs = SpectacularSwaggerSplitView.as_view(url_name="schema", **OPEN)
    return [
        *service_urls,
        *(_bus_urls() if has_identity else []),
        path("health", require_safe(health.report), name="health"),
        path("health/live", require_safe(health.live), name="health-live"),
        path("health/ready", require_safe(health.ready), name="health-ready"),
        path("metrics", require_safe(metrics.view), name="metrics"),
        path("schema", schema, name="schema"),
        path("docs", docs, name="docs"),
        *(sign_in_urls("admin") if has_identity else []),
        path("admin", RedirectView.as_view(pattern_name="admin:index"), name="admin-redirect"),
        path("admin/", site.urls),
    ]


def sign_in_urls(place: str) -> list[URLPattern]:
    """Where the issuer sends browsers and logout tokens, below ``place``. Needs the extra `identity`."""
    from atoll.admin import signing_in

    return [
        path(f"{place}{configuration.CALLBACK}", signing_in.callback, name=f"{place}-callback"),
        path(f"{place}{configuration.SIGNED_OUT}", signing_in.signed_out, name=f"{place}-signed-out"),
        path(
            f"{place}{configuration.BACK_CHANNEL}",
            signing_in.back_channel_logout,
            name=f"{place}-back-channel",
        ),
    ]


def _bus_urls() -> list[URLPattern]:
    """What services with a ledger tell each other about messages."""
    if not apps.is_installed("atoll.bus"):
        return []
    from atoll.bus.operations.views import bus_urls

    return bus_urls()
