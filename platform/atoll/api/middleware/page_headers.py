"""Headers that limit what a browser may do with an answer (docs/decisions/0057)."""

from django.http import HttpRequest, HttpResponse

from atoll.api.middleware.two_ways import Middleware


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
_PAGE_POLICY, _ADMIN_POLICY, _ERROR_POLICY, _NO_POLICY = map(_written, (_PAGE, _ADMIN, _ERROR, _NOTHING))

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
    return _ADMIN_POLICY if path.startswith("/admin") else _PAGE_POLICY
