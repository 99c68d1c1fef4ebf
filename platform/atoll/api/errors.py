"""The one place that turns errors into answers.

Every error answer has the same shape, with a stable ``code`` for programs::

    {"error": "Order not found", "message": "what happened and what to do",
     "code": "order_not_found", "correlationId": "…", "details": {…}}
"""

import logging
from dataclasses import dataclass, field
from http.client import responses
from typing import Any

from django.core import exceptions as django_errors
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from rest_framework import exceptions as drf_errors
from rest_framework.response import Response
from rest_framework.views import set_rollback

from atoll import context, wire
from atoll.errors import NotSignedIn, Refusal, TooLarge, Unavailable

__all__ = ["Problem", "describe", "exception_handler", "plain_problem"]

log = logging.getLogger(__name__)

JSON = "application/json"
CHALLENGE = "Bearer"

UNEXPECTED = "Something went wrong on our side. Try again; if it stays, report the correlation id."

# The default error, message and code of each status.
_PLAIN: dict[int, tuple[str, str, str]] = {
    400: ("Invalid request", "The request is malformed; it was not carried out.", "invalid_request"),
    401: ("Access token required", "Send a token as `Authorization: Bearer …`.", "access_token_required"),
    403: ("Not allowed", "You may not do this.", "not_allowed"),
    404: ("Not found", "Nothing is here. The API is described at /docs.", "not_found"),
    405: ("Method not allowed", "This address does not know that method; see Allow.", "method_not_allowed"),
    406: ("Not acceptable", "Answers are application/json; accept that.", "not_acceptable"),
    413: (TooLarge.title, "Send less in one request.", TooLarge.default_code),
    415: ("Unsupported media type", "Send application/json in UTF-8.", "unsupported_media_type"),
    429: ("Too many requests from this IP", "Wait, then try again; see Retry-After.", "too_many_requests"),
    500: ("Internal server error", UNEXPECTED, "internal_error"),
    503: (Unavailable.title, "Try again later.", Unavailable.default_code),
}


_BAD_REQUESTS = (
    django_errors.BadRequest,
    django_errors.SuspiciousOperation,
    MultiPartParserError,
    UnreadablePostError,
)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """The content of an error answer."""

    status: int
    error: str
    message: str
    code: str
    details: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        return {
            "error": self.error,
            "message": self.message,
            "code": self.code,
            "correlationId": context.correlation_id(),
            "details": wire.camelize(self.details),
        }

    def response(self) -> HttpResponse:
        """For code outside REST framework."""
        content = wire.dumps(self.body())
        headers = {"Content-Length": str(len(content)), **self.headers}
        response = HttpResponse(content, status=self.status, content_type=JSON, headers=headers)
        # The middleware makes an error page of it in the admin.
        response.problem = self  # type: ignore[attr-defined]
        return response


def plain_problem(status: int, *, message: str = "", headers: dict[str, str] | None = None) -> Problem:
    """The problem with the default texts of a status."""
    phrase = responses.get(status, "Error")
    error, text, code = _PLAIN.get(status, (phrase, phrase, phrase.lower().replace(" ", "_")))
    return Problem(status=status, error=error, message=message or text, code=code, headers=headers or {})


def describe(error: Exception) -> Problem | None:
    """The problem that stands for an exception; None for an unexpected one (a 500)."""
    if isinstance(error, Refusal):
        return Problem(
            status=error.status,
            error=error.error,
            message=error.message,
            code=error.code,
            details=error.details,
            headers=_headers(error),
        )
    if isinstance(error, Unavailable):
        return Problem(
            status=error.status,
            error=error.title,
            message=error.message,
            code=error.default_code,
            headers=_headers(error),
        )
    if isinstance(error, drf_errors.APIException):
        return _describe_drf(error)
    return _describe_django(error)


def _headers(error: Refusal | Unavailable) -> dict[str, str]:
    headers = dict(getattr(error, "headers", {}))
    retry_after_s = getattr(error, "retry_after_s", None)
    if retry_after_s is not None:
        headers["Retry-After"] = str(max(1, round(retry_after_s)))
    if isinstance(error, NotSignedIn):
        headers.setdefault("WWW-Authenticate", CHALLENGE)
    return headers


def _describe_drf(error: drf_errors.APIException) -> Problem:
    headers: dict[str, str] = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header  # type: ignore[attr-defined]
    if getattr(error, "wait", None):
        headers["Retry-After"] = str(round(error.wait))  # type: ignore[attr-defined]
    if isinstance(error, drf_errors.ValidationError):
        return Problem(
            status=400,
            error="Invalid request",
            message="Some of the input is not acceptable; details says which and why.",
            code="invalid_input",
            details=error.detail if isinstance(error.detail, dict) else {"errors": error.detail},
            headers=headers,
        )
    return plain_problem(error.status_code, message=str(error.detail), headers=headers)


def _describe_django(error: Exception) -> Problem | None:
    if isinstance(error, Http404):
        return plain_problem(404)
    if isinstance(error, django_errors.PermissionDenied):
        return plain_problem(403, message=str(error))
    if isinstance(error, django_errors.ValidationError):
        details = error.message_dict if hasattr(error, "error_dict") else {"errors": error.messages}
        return _describe_drf(drf_errors.ValidationError(details))
    if isinstance(error, django_errors.RequestDataTooBig):
        return plain_problem(413)
    if isinstance(error, _BAD_REQUESTS):
        return plain_problem(400)
    if isinstance(error, DataError):
        # A validator should have refused the value first. The log shows which validator is missing.
        log.error("a value got past validation that the database cannot hold", exc_info=error)
        return plain_problem(400, message="A value is out of range.")
    if isinstance(error, (OperationalError, InterfaceError)):
        log.error("the database cannot answer", exc_info=error)
        return plain_problem(503, headers={"Retry-After": "1"})
    return None


def exception_handler(error: Exception, handling: dict[str, Any]) -> Response | None:
    """REST framework's ``EXCEPTION_HANDLER``; None leaves the unexpected to the middleware."""
    problem = describe(error)
    if problem is None:
        return None
    set_rollback()
    return Response(problem.body(), status=problem.status, headers=problem.headers)
