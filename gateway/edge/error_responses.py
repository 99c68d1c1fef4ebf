"""Error answers that the gateway makes itself, in the platform's error shape (docs/http.md)."""

from typing import Any

from atoll import wire

HeaderList = list[tuple[bytes, bytes]]

# A browser shows an answer of the gateway as data: it runs nothing, loads nothing and tells nobody.
OWN_ANSWER_FIELDS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)
NO_STORE = (b"cache-control", b"no-store")  # caches may keep a 404 or 405 without it (RFC 9111 §4.2.2)


class ErrorResponse(Exception):
    """An error answer, raised. ``title`` is its ``error`` field, ``code`` is for programs."""

    def __init__(
        self,
        status: int,
        title: str,
        code: str,
        message: str,
        *,
        headers: HeaderList | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.title = title
        self.code = code
        self.message = message
        self.headers = [NO_STORE, *(headers or [])]
        self.details = details or {}

    def body(self, correlation_id: str) -> bytes:
        return wire.dumps(
            {
                "error": self.title,
                "message": self.message,
                "code": self.code,
                "correlationId": correlation_id,
                "details": self.details,
            }
        )


def unavailable(
    service: str, message: str, *, retry_after_s: float = 1, code: str = "service_unavailable"
) -> ErrorResponse:
    return ErrorResponse(
        503,
        "Service temporarily unavailable",
        code,
        message,
        headers=[(b"retry-after", str(max(1, round(retry_after_s))).encode())],
        details={"service": service},
    )


def timed_out(service: str, timeout_s: float) -> ErrorResponse:
    return ErrorResponse(
        504,
        "Service did not answer in time",
        "upstream_timeout",
        f"{service} did not answer within {timeout_s:g} s; the work may or may not have been done.",
        details={"service": service},
    )


def too_large(limit_bytes: int) -> ErrorResponse:
    return ErrorResponse(
        413,
        "Request body too large",
        "body_too_large",
        f"The body may hold {limit_bytes} bytes on this route.",
        headers=[(b"connection", b"close")],
        details={"maxBytes": limit_bytes},
    )
