"""Retries: how many, and how long to pause before each.

Full jitter (the pause is drawn between 0 and the limit) spreads callers that
failed together. Source: Brooker, "Exponential Backoff and Jitter", AWS, 2015.

    retry     1      2      3
    limit_s   0.05   0.1    0.2     doubling, at most max_pause_s
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from atoll.client.policy import MAX_RETRIES


@dataclass(frozen=True)
class Retry:
    """At most ``limit`` attempts after the first one."""

    limit: int = MAX_RETRIES
    first_pause_s: float = 0.05
    max_pause_s: float = 1.0
    draw: Callable[[float, float], float] = field(default=random.uniform, repr=False)

    def pause_s(self, retry: int, retry_after_s: float | None = None) -> float:
        """Pause before retry number 1, 2, ...; never shorter than the service asked for."""
        limit_s = min(self.first_pause_s * 2.0 ** (retry - 1), self.max_pause_s)
        return max(self.draw(0.0, limit_s), retry_after_s or 0.0)
