"""When asking again is allowed, and how long to wait first.

Full jitter (the pause is drawn between 0 and the limit) spreads callers that
failed together. Source: Brooker, "Exponential Backoff and Jitter", AWS, 2015.

    retry     1      2      3
    limit_s   0.05   0.1    0.2     doubling, at most max_pause_s
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
PASSING_STATUSES = frozenset({502, 503, 504})


@dataclass(frozen=True)
class Retry:
    """At most ``limit`` further attempts; 0 means one attempt only."""

    limit: int = 3
    first_pause_s: float = 0.05
    max_pause_s: float = 1.0
    draw: Callable[[float, float], float] = field(default=random.uniform, repr=False)

    def pause_s(self, retry: int, retry_after_s: float | None = None) -> float:
        """Pause before retry number 1, 2, ...; never shorter than the service asked for."""
        limit_s = min(self.first_pause_s * 2.0 ** (retry - 1), self.max_pause_s)
        return max(self.draw(0.0, limit_s), retry_after_s or 0.0)


def is_repeatable(method: str, idempotency_key: str | None) -> bool:
    """Whether doing it twice is the same as doing it once (RFC 9110 §9.2.2), which for the other
    methods an ``Idempotency-Key`` promises. PATCH and POST without one are never repeated once
    they may have been received."""
    return method in IDEMPOTENT_METHODS or idempotency_key is not None
