"""URLs of the registry project: the console, those of every project, and the journal's former address."""

from django.urls import include, path, re_path
from django.views.generic import RedirectView

from atoll.urls import platform_urls, sign_in_urls

journal = RedirectView.as_view(url="/admin/registry/journalentry/%(rest)s", query_string=True)

urlpatterns = platform_urls(
    [
        path("console", RedirectView.as_view(pattern_name="console:board", query_string=True)),
        *sign_in_urls("console"),
        path("console/", include("registry.console.urls")),
        re_path(r"^admin/registry/event/(?P<rest>.*)$", journal),
    ]
)
