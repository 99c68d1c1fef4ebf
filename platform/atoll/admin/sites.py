"""The admin site: unfold's, with an index page of key figures."""

import functools
import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest, FieldError, PermissionDenied, ValidationError
from django.db import DataError, NotSupportedError, ProgrammingError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import SimpleTemplateResponse, TemplateResponse
from django.views.decorators.cache import never_cache
from unfold.sites import UnfoldAdminSite

from atoll import conf
from atoll.admin.front_parts import front_parts
from atoll.admin.pages import menu_entries, page_urls
from atoll.admin.refusals import permissions_needed, refused_page, require
from atoll.admin.tiles import tiles
from atoll.identity.oidc.door import door
from atoll.server.identity import instance_id

log = logging.getLogger(__name__)

CANNOT_EXIST = "The address or the selection names something that cannot exist."
# Errors of Django for lookups and values that do not match.
CANNOT_BE_READ = (
    ValueError, TypeError, LookupError, ArithmeticError, FieldError, ProgrammingError, NotSupportedError,
)  # fmt: skip
# Django's own model is in a project the local row of an account of the users service.
MIRRORED_ACCOUNT = "auth.User"


class AtollAdminSite(UnfoldAdminSite):
    # The pages of `register_page` have addresses at this site. Another site gets them from an admin class.
    serves_pages = True
    index_title = "Overview"
    index_template = "atoll/admin/index.html"

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        shown = {
            "parts": front_parts(request),
            "tiles": tiles(request.user.has_perm),
            "service": conf.service_name(),
            "instance": instance_id(conf.service_name()),
        }
        page: TemplateResponse = super().index(request, shown | (extra_context or {}))
        return page

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Leads to the issuer's sign-in page, and back to the page in ``next``."""
        return never_cache(door().sign_in)(request)

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Signs out of every admin. Takes a POST alone, so that no link of a stranger signs anybody out."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        return never_cache(door().sign_out)(request)

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        """Check the role and the address before a view runs.

        An account without the role gets 403 with the roles of the page, before any row is read. An
        address that was edited by hand (a false id, an impossible year) is 400 and not 500. The page is
        rendered here, since its filters read the address only then. An error of Python counts as a
        wrong address only if the address has a value, and is logged. Forms show their own errors.
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
        """Removes the password pages, except in the project that keeps the accounts."""
        urls: list[Any] = [*page_urls(self.admin_view), *super().get_urls()]
        if settings.AUTH_USER_MODEL != MIRRORED_ACCOUNT:
            return urls
        return [url for url in urls if not (getattr(url, "name", "") or "").startswith("password_change")]


def _made(response: HttpResponse) -> HttpResponse:
    if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
        return response.render()
    return response
