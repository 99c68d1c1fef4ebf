"""No HTML from an API: whatever Django answers an error with becomes the error shape."""

import logging

from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponse

from atoll.api.errors import describe, plain_problem
from atoll.api.middleware.two_ways import Middleware

log = logging.getLogger(__name__)

ERRORS_FROM = 400
HTML_PATHS = ("/admin/",)
KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate")


def speaks_html(request: HttpRequest) -> bool:
    return request.path_info.startswith(HTML_PATHS)


class JSONErrors(Middleware):
    """Outside the admin, every error answer has the shape of :mod:`atoll.api.errors`.

    An exception no handler knows is logged with its traceback and answered with a
    general 500 that tells nothing but the correlation id.
    """

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if speaks_html(request):
            return None
        problem = describe(error)
        if problem is None:
            got_request_exception.send(sender=type(self), request=request)
            log.error("unexpected error", exc_info=error, extra={"path": request.path_info})
            problem = plain_problem(500)
        return problem.response()

    def after(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if response.status_code < ERRORS_FROM or speaks_html(request) or _is_json(response):
            return response
        kept = {name: response[name] for name in KEPT_HEADERS if name in response}
        return plain_problem(response.status_code, headers=kept).response()


def _is_json(response: HttpResponse) -> bool:
    return "json" in response.get("Content-Type", "")
