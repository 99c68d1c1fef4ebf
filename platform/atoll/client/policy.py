"""When a circuit breaker opens and what is asked again: one policy for `atoll.client` and the gateway.

docs/decisions/0064 gives the reasons; `atoll.testing.outcomes` is the same policy as a table, which
both sides are tested against.
"""

from atoll.client.failures import NotSent, TimedOut, UpstreamFailure

# A breaker opens after so many failures in a row and rests (docs/decisions/0021).
FAILURES_TO_OPEN = 5
FIRST_REST_S = 1.0
LAST_REST_S = 60.0
# Requests that a half-open breaker lets through at a time.
PROBES = 1
# A probe without an outcome gives its place to the next one.
PROBE_TIMEOUT_S = 5.0

MAX_RETRIES = 3
# A retry is earned by so many requests, or by time; at most MAX_SAVED_RETRIES are kept.
REQUESTS_PER_RETRY = 5
RETRIES_PER_S = 1.0
MAX_SAVED_RETRIES = 10

# A time-out counts after so long, or after this share of a shorter time-out.
FAIR_CHANCE_S = 0.5
FAIR_SHARE = 0.9
FAILURE_STATUSES = frozenset({502, 503, 504})
IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})


def is_failure(status: int) -> bool:
    """Whether a breaker counts the answer as a failure. A 500 is an answer: one broken page must not
    take away its whole service."""
    return status in FAILURE_STATUSES


def counts(failure: UpstreamFailure, *, given_s: float, timeout_s: float) -> bool:
    """Whether a breaker counts the failure of an attempt that had ``given_s`` of its ``timeout_s``."""
    return not isinstance(failure, TimedOut) or given_s >= min(timeout_s * FAIR_SHARE, FAIR_CHANCE_S)


def is_repeatable(method: str, *, has_key: bool) -> bool:
    """Whether two requests have the effect of one (RFC 9110 §9.2.2). An ``Idempotency-Key`` promises
    it for POST and PATCH."""
    return has_key or method in IDEMPOTENT_METHODS


def may_repeat(failure: UpstreamFailure, *, is_repeatable: bool) -> bool:
    """Whether the request may be sent again. After a time-out it may not: the work may still go on."""
    return isinstance(failure, NotSent) or (is_repeatable and not isinstance(failure, TimedOut))
