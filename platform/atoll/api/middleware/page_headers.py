"""Headers that limit what a browser may do with an answer (docs/decisions/0057)."""

from functools import cache
from typing import NamedTuple

from django.http import HttpRequest, HttpResponse

from atoll import conf
from atoll.api.middleware.two_ways import Middleware
from atoll.identity.oidc import configuration


def _written(policy: dict[str, str]) -> str:
    return "; ".join(f"{name} {value}" for name, value in policy.items())


_PAGE = {
    "default-src": "'none'",
    "script-src": "'self'",
    # Unfold writes colours into the page and widths into elements. A style runs no script.
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}
# The console has neither inline styles nor inline scripts.
_CONSOLE = {**_PAGE, "style-src": "'self'"}
# Unfold's menus use Alpine, which makes functions of attributes in our own templates.
_ADMIN = {**_PAGE, "script-src": "'self' 'unsafe-eval'"}
_NOTHING = {
    "default-src": "'none'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
    "form-action": "'none'",
}
# An error page has no script at all.
_ERROR = {**_NOTHING, "style-src": "'self'", "img-src": "'self'"}
_PAGE_POLICY, _ERROR_POLICY, _NO_POLICY = map(_written, (_PAGE, _ERROR, _NOTHING))

ERRORS_FROM = 400


class PageHeaders(Middleware):
    """Adds a Content-Security-Policy without other addresses, and related headers, to every answer."""

    def after(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        return guard(response, request.path_info)


def guard(response: HttpResponse, path: str) -> HttpResponse:
    response["Content-Security-Policy"] = _policy(response, path)
    response["X-Content-Type-Options"] = "nosniff"
    response["X-Frame-Options"] = "DENY"
    response["Referrer-Policy"] = "same-origin"
    response["Cross-Origin-Opener-Policy"] = "same-origin"
    return response


def _policy(response: HttpResponse, path: str) -> str:
    if not response.get("Content-Type", "").startswith("text/html"):
        return _NO_POLICY
    if getattr(response, "is_problem_page", False):
        return _ERROR_POLICY
    # The pages of its sign-in are the admin's.
    if path.startswith(("/admin", configuration.CONSOLE_SIGN_IN, f"{configuration.CONSOLE}/oidc/")):
        return _policies().admin
    return _policies().console if path.startswith(configuration.CONSOLE) else _PAGE_POLICY


class _Policies(NamedTuple):
    admin: str
    console: str


@cache
def _policies() -> _Policies:
    """Of pages whose forms sign in or out. Such a form leads through the issuer to other admins, and a
    browser applies ``form-action`` to redirects, too."""
    ways = ["'self'", *(url for name in conf.projects() for url in conf.public_urls(name))]
    if outside := configuration.outside_issuer():
        ways.append(conf.origin(outside))
    forms = {"form-action": " ".join(dict.fromkeys(ways))}
    return _Policies(_written({**_ADMIN, **forms}), _written({**_CONSOLE, **forms}))
