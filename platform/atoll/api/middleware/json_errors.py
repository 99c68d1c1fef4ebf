"""Turns the error answers of Django into the error shape, and in the admin into a page of its design."""

import logging

from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from atoll.api.error_pages import answer, speaks_html
from atoll.api.errors import describe, plain_problem
from atoll.api.middleware.two_ways import Middleware

log = logging.getLogger(__name__)

ERRORS_FROM = 400
KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate")


class JSONErrors(Middleware):
    """Every error answer has the shape of :mod:`atoll.api.errors`, and under /admin/ is a page instead.

    Neither shows internal details. An unexpected exception is logged with its traceback; its answer is a
    500 that shows only the correlation id. Error pages that an admin view has made stay as they are.
    """

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        problem = describe(error)
        if problem is None:
            got_request_exception.send(sender=type(self), request=request)
            log.error("unexpected error", exc_info=error, extra={"path": request.path_info})
            problem = plain_problem(500)
        return answer(problem, path=request.path_info)

    def after(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if response.status_code < ERRORS_FROM:
            return response
        as_html = speaks_html(request.path_info)
        if getattr(response, "is_problem_page", False) or (
            isinstance(response, TemplateResponse) if as_html else _is_json(response)
        ):
            return response
        kept = {name: response[name] for name in KEPT_HEADERS if name in response}
        problem = getattr(response, "problem", None) or plain_problem(response.status_code, headers=kept)
        return answer(problem, path=request.path_info)


def _is_json(response: HttpResponse) -> bool:
    return "json" in response.get("Content-Type", "")
