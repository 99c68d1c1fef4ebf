"""The log of staff's decisions about messages: user, time, action and reason."""

from django.contrib.admin.models import LogEntry
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from atoll.admin import site

PER_PAGE = 50


def decisions_page(request: HttpRequest) -> HttpResponse:
    """Show the decisions about one row and about many rows, the newest first."""
    entries = (
        LogEntry.objects.filter(content_type__app_label="atoll_bus")
        .select_related("user", "content_type")
        .order_by("-id")
    )
    paginator = Paginator(entries, PER_PAGE)
    shown = paginator.get_page(request.GET.get("p"))
    page = {
        **site.each_context(request),
        "title": "Decisions",
        "action_list": shown,
        "page_range": paginator.get_elided_page_range(shown.number),
        "page_var": "p",
        "is_about_many": True,
    }
    return TemplateResponse(request, "atoll/bus/history.html", page)
