"""What a browser may do with our answers (docs/decisions/0057)."""

from django.http import HttpRequest, HttpResponse

from atoll.api.middleware.two_ways import Middleware

_PAGE = {
    "default-src": "'none'",
    "script-src": "'self'",
    # Unfold writes its colours into the page and widths onto elements; styles run nothing.
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}
# Alpine, in which unfold writes its menus, makes functions of the attributes of our own templates.
_ADMIN = {**_PAGE, "script-src": "'self' 'unsafe-eval'"}
_NOTHING = {
    "default-src": "'none'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
    "form-action": "'none'",
}
# A page that tells of an error: no script at all.
_ERROR = {**_NOTHING, "style-src": "'self'", "img-src": "'self'"}

ERRORS_FROM = 400


class PageHeaders(Middleware):
    """A Content-Security-Policy and its companions on every answer; nothing on it is from elsewhere."""

    def after(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        return guard(response, request.path_info)


def guard(response: HttpResponse, path: str) -> HttpResponse:
    response["Content-Security-Policy"] = "; ".join(
        f"{name} {value}" for name, value in _policy(response, path).items()
    )
    response["X-Content-Type-Options"] = "nosniff"
    response["X-Frame-Options"] = "DENY"
    response["Referrer-Policy"] = "same-origin"
    response["Cross-Origin-Opener-Policy"] = "same-origin"
    return response


def _policy(response: HttpResponse, path: str) -> dict[str, str]:
    if not response.get("Content-Type", "").startswith("text/html"):
        return _NOTHING
    if getattr(response, "is_problem_page", False):
        return _ERROR
    return _ADMIN if path.startswith("/admin") else _PAGE
