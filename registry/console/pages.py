"""What every page of the console shares: the check of the session, and the frame around the content."""

import functools
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from atoll import conf
from atoll.admin import site
from atoll.admin.theme import environment_badge
from registry.console.admins import admins
from registry.console.navigation import entries

View = Callable[..., HttpResponse]


def staff_only(view: View) -> View:
    """Let staff with a session of the registry's admin in; a visitor is led to the sign-in and back."""

    @functools.wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if site.has_permission(request):
            return view(request, *args, **kwargs)
        back = urlencode({"next": request.get_full_path()})
        return HttpResponseRedirect(f"{reverse('console:sign-in')}?{back}")

    return never_cache(guarded)


def page(view: View) -> View:
    """A page that staff may read: GET and HEAD, never cached."""
    return require_safe(staff_only(view))


def show(
    request: HttpRequest, template: str, title: str, context: dict[str, Any] | None = None, status: int = 200
) -> HttpResponse:
    """Render a template that extends ``registry/console/base.html``, with an error status, too."""
    name, tone = environment_badge(request)
    frame = {
        "title": title,
        "entries": entries(request),
        "admins": admins(),
        "environment": name,
        "environment_tone": tone,
        "is_development": conf.environment() == "development",
        "query": request.GET.get("q", ""),
    }
    # The middleware for errors leaves a TemplateResponse as it is.
    return TemplateResponse(request, template, frame | (context or {}), status=status)
