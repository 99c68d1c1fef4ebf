"""Limits how often a service may write. Each process of the registry counts in its own memory.

Only services with a credential are counted, so their number bounds the memory.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from atoll.errors import TooManyRequests


@dataclass(frozen=True)
class Rate:
    """``per_minute`` calls at once, and as many a minute in the long run."""

    name: str
    per_minute: int


REGISTRATIONS = Rate("register", 300)
# Three times the heartbeats of a service with the most instances and as many workers.
HEARTBEATS = Rate("heartbeat", 12_000)
# Each process sends once a second.
SPANS = Rate("spans", 6_000)
# Each worker tells at most twice a second.
FAILING = Rate("failing", 6_000)


class Limits:
    """Token buckets, one per service and kind of call."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}

    def count(self, service: str, rate: Rate) -> None:
        """Count one call. Raises TooManyRequests above the rate."""
        now = self._clock()
        tokens, at = self._buckets.get((service, rate.name), (float(rate.per_minute), now))
        tokens = min(float(rate.per_minute), tokens + (now - at) * rate.per_minute / 60)
        if tokens < 1:
            self._buckets[service, rate.name] = tokens, now
            raise TooManyRequests(
                f"At most {rate.per_minute} of this a minute for {service}.",
                retry_after_s=max(1, ceil((1 - tokens) * 60 / rate.per_minute)),
                code="too_many_writes",
            )
        self._buckets[service, rate.name] = tokens - 1, now
