"""Every error that Atoll raises on purpose, grouped by what the caller can do next.

    AtollError
    |-- Refusal                  the request cannot be done as asked: change it
    |   |-- InvalidInput         400
    |   |-- NotSignedIn          401
    |   |-- NotAllowed           403
    |   |-- NotFound             404
    |   |-- Conflict             409
    |   |-- TooLarge             413
    |   |-- Unprocessable        422
    |   `-- TooManyRequests      429, with retry_after_s
    |-- Unavailable              503: nothing is wrong with the request, try again later
    |   |-- NoInstance           discovery knows no healthy instance
    |   |-- CircuitOpen          the breaker refuses to ask for now
    |   |-- DeadlineExceeded     no answer within the time the caller had
    |   `-- BadAnswer            it answered 5xx, or something that is no answer
    `-- Misuse                   a mistake in the program; no retry helps

A service turns a Refusal or Unavailable into the error shape of docs/http.md in
one place, ``atoll.api.errors``; nothing else builds error answers.
"""

from collections.abc import Mapping
from typing import ClassVar

__all__ = [
    "AtollError",
    "BadAnswer",
    "CircuitOpen",
    "Conflict",
    "DeadlineExceeded",
    "InvalidInput",
    "Misuse",
    "NoInstance",
    "NotAllowed",
    "NotFound",
    "NotSignedIn",
    "Refusal",
    "TooLarge",
    "TooManyRequests",
    "Unavailable",
    "Unprocessable",
]


class AtollError(Exception):
    """Base of the tree; catch a branch, not this."""


class Refusal(AtollError):
    """The request cannot be done as asked.

    ``message`` says what happened and what to do, for a person; ``code`` is
    stable, for programs; ``title`` is the short ``error`` field; ``details`` is
    any JSON value that helps the caller mend the request.
    """

    status: ClassVar[int] = 400
    title: ClassVar[str] = "Invalid request"
    default_code: ClassVar[str] = "invalid_request"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        title: str | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.error = title or self.title
        self.details: dict[str, object] = dict(details or {})


class InvalidInput(Refusal):
    """The input is malformed or breaks a rule that needs no look at stored state."""


class NotSignedIn(Refusal):
    """The request has no valid token. Sign in first."""

    status = 401
    title = "Access token required"
    default_code = "access_token_required"


class NotAllowed(Refusal):
    """The caller is known and may not do this."""

    status = 403
    title = "Not allowed"
    default_code = "not_allowed"


class NotFound(Refusal):
    """The thing does not exist, or the caller may not know of it."""

    status = 404
    title = "Not found"
    default_code = "not_found"


class Conflict(Refusal):
    """The state of the thing does not allow this now."""

    status = 409
    title = "Conflict"
    default_code = "conflict"


class TooLarge(Refusal):
    """The body, or a value in it, is larger than the service takes."""

    status = 413
    title = "Request body too large"
    default_code = "body_too_large"


class Unprocessable(Refusal):
    """The input is well formed, and the service cannot carry it out."""

    status = 422
    title = "Cannot be processed"
    default_code = "unprocessable"


class TooManyRequests(Refusal):
    """The caller is over its limit, and may try again after ``retry_after_s`` seconds."""

    status = 429
    title = "Too many requests from this IP"
    default_code = "too_many_requests"

    def __init__(self, message: str, *, retry_after_s: int, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s


class Unavailable(AtollError):
    """Another part of the system cannot answer now; the same request may succeed later."""

    status: ClassVar[int] = 503
    title: ClassVar[str] = "Service temporarily unavailable"
    default_code: ClassVar[str] = "service_unavailable"

    def __init__(self, service: str, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(f"{service}: {message}")
        self.service = service
        self.message = message
        self.retry_after_s = retry_after_s


class NoInstance(Unavailable):
    """Discovery knows no healthy instance of the service."""


class CircuitOpen(Unavailable):
    """The circuit breaker of the service is open; nothing was sent."""


class DeadlineExceeded(Unavailable):
    """The time the caller had is used up; the work may or may not have been done."""


class BadAnswer(Unavailable):
    """The service answered 5xx after all retries, or something that cannot be read."""


class Misuse(AtollError):
    """The program uses Atoll wrongly; the text says how to mend it."""
