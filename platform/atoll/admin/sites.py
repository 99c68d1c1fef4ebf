"""The admin site: unfold's, with an index page that shows the project at a glance."""

import functools
import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest, FieldError, PermissionDenied, ValidationError
from django.db import DataError, NotSupportedError, ProgrammingError
from django.http import HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse, TemplateResponse
from unfold.sites import UnfoldAdminSite

from atoll.admin.pages import menu_entries, page_urls
from atoll.admin.refusals import permissions_needed, refused_page, require
from atoll.admin.tiles import tiles
from atoll.server.identity import instance_id

log = logging.getLogger(__name__)

CANNOT_EXIST = "The address or the selection names something that cannot exist."
# What Django raises for lookups and values that do not go together.
CANNOT_BE_READ = (
    ValueError, TypeError, LookupError, ArithmeticError, FieldError, ProgrammingError, NotSupportedError,
)  # fmt: skip
# What Django's own model means in a project: a local row for an account of the users service.
MIRRORED_ACCOUNT = "auth.User"


class AtollAdminSite(UnfoldAdminSite):
    index_title = "Overview"
    index_template = "atoll/admin/index.html"

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        shown = {
            "tiles": tiles(request.user.has_perm),
            "service": settings.ATOLL_SERVICE,
            "instance": instance_id(settings.ATOLL_SERVICE),
        }
        page: TemplateResponse = super().index(request, shown | (extra_context or {}))
        return page

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Where too many attempts were made, the page says so in its status, with ``Retry-After``."""
        page: HttpResponse = super().login(request, extra_context)
        form = (getattr(page, "context_data", None) or {}).get("form")
        over_limit = getattr(form, "over_limit", None)
        if over_limit is not None:
            page.status_code = over_limit.status
            page.headers["Retry-After"] = str(over_limit.retry_after_s)
        return page

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        """A page for other roles is 403 and says for which, before anything of it is looked up.

        An address that was edited by hand (an id that is none, a year without end) is 400 and no 500;
        what a form refuses never gets here: forms show it. The page is made here, since its filters
        read the address only then. What Python finds wrong with a value is put down to the address
        only when there is one to blame, and is logged.
        """

        @functools.wraps(view)
        def careful(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                require(request, permissions_needed(view, request))
                if request.method == "POST" and getattr(view, "__name__", "") == "changelist_view":
                    view.__self__.require_action(request)  # type: ignore[attr-defined]
                return _made(view(request, *args, **kwargs))
            except PermissionDenied as error:
                return refused_page(self, request, error)
            except (ValidationError, DataError) as error:
                raise BadRequest(CANNOT_EXIST) from error
            except CANNOT_BE_READ as error:
                if not (request.GET or args or kwargs):
                    raise
                log.warning("an address of the admin cannot be read", exc_info=error)
                raise BadRequest(CANNOT_EXIST) from error

        guarded: Callable[..., Any] = super().admin_view(careful, cacheable)
        return guarded

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[dict[str, Any]]:
        apps: list[dict[str, Any]] = super().get_app_list(request, app_label)
        for app in apps:
            app["models"] = [*menu_entries(request, app["app_label"]), *app["models"]]
        return apps

    def get_urls(self) -> list[Any]:
        """Passwords are changed where accounts are kept: in the project whose own model they are."""
        urls: list[Any] = [*page_urls(self.admin_view), *super().get_urls()]
        if settings.AUTH_USER_MODEL != MIRRORED_ACCOUNT:
            return urls
        return [url for url in urls if not (getattr(url, "name", "") or "").startswith("password_change")]


def _made(response: HttpResponse) -> HttpResponse:
    if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
        return response.render()
    return response
