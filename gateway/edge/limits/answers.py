"""What a client learns of a limit: ``RateLimit`` fields on every answer, and 429 above the limit."""

from gateway.edge.error_responses import ErrorResponse
from gateway.edge.limits.bucket import Verdict
from gateway.edge.limits.rules import Rule


def lines(rule: Rule, verdict: Verdict) -> bytes:
    """``RateLimit-Policy`` and ``RateLimit`` (draft-ietf-httpapi-ratelimit-headers), joined by CRLF."""
    return rule.answer_format % (verdict.remaining, seconds(verdict.reset_ms))


def too_many(rule: Rule, verdict: Verdict) -> ErrorResponse:
    wait_s = max(1, seconds(verdict.wait_ms))
    return ErrorResponse(
        429,
        "Too many requests from this IP",
        "too_many_requests",
        f"Here {rule.limit} requests in {rule.window_s} s are allowed. Try again in {wait_s} s.",
        headers=[(b"retry-after", str(wait_s).encode())],
        details={"retryAfterS": wait_s},
    )


def seconds(milliseconds: int) -> int:
    """Rounded up."""
    return -(-milliseconds // 1000)
