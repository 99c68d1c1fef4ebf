"""URLs of the registry project: those of every project, and the journal's former address."""

from django.urls import re_path
from django.views.generic import RedirectView

from atoll.urls import platform_urls

journal = RedirectView.as_view(url="/admin/registry/journalentry/%(rest)s", query_string=True)

urlpatterns = platform_urls([re_path(r"^admin/registry/event/(?P<rest>.*)$", journal)])
