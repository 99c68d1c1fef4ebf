"""Django's middleware for pages. Requests of an API pass it by.

An API has no session, no CSRF token and no message, and `PageHeaders` sets the headers of every answer.
Pages are what `atoll.urls` serves in every project, and the registry's console; all other addresses are the
API of the project.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.http import HttpRequest, HttpResponseForbidden, HttpResponsePermanentRedirect
from django.http.response import HttpResponseBase
from django.middleware import clickjacking, common, csrf, security
from django.utils.deprecation import MiddlewareMixin
from django.utils.functional import SimpleLazyObject

from atoll.identity.oidc.sessions import user_of

PAGES = ("/admin", "/console", "/static/", "/docs", "/schema", "/health", "/metrics")

Answer = HttpResponseBase | Awaitable[HttpResponseBase]


def is_page(request: HttpRequest) -> bool:
    return request.path_info.startswith(PAGES)


class _ForPages(MiddlewareMixin):
    def __call__(self, request: HttpRequest) -> Answer:
        if is_page(request):
            return super().__call__(request)
        return self.get_response(request)


class SecurityMiddleware(_ForPages, security.SecurityMiddleware):
    pass


class SessionMiddleware(_ForPages, sessions.SessionMiddleware):
    pass


class CsrfViewMiddleware(_ForPages, csrf.CsrfViewMiddleware):
    def process_view(
        self,
        request: HttpRequest,
        callback: Callable[..., HttpResponseBase],
        callback_args: tuple[Any, ...],
        callback_kwargs: dict[str, Any],
    ) -> HttpResponseForbidden | None:
        if not is_page(request):
            return None
        return super().process_view(request, callback, callback_args, callback_kwargs)


class AuthenticationMiddleware(_ForPages, auth.AuthenticationMiddleware):
    """Django's, and a session ends with its sign-in (``atoll.identity.oidc``)."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        request.user = SimpleLazyObject(lambda: _user_of(request))  # type: ignore[assignment]


def _user_of(request: HttpRequest) -> Any:
    found = getattr(request, "_cached_user", None)
    if found is None:
        found = request._cached_user = user_of(request)  # type: ignore[attr-defined]
    return found


class MessageMiddleware(_ForPages, messages.MessageMiddleware):
    pass


class XFrameOptionsMiddleware(_ForPages, clickjacking.XFrameOptionsMiddleware):
    pass


class CommonMiddleware(common.CommonMiddleware):
    """Refuses a Host that ALLOWED_HOSTS does not list, and measures the body of every answer."""

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        if is_page(request):
            return super().process_request(request)
        request.get_host()
        return None
