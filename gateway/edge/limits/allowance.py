"""Allows each address a number of costly things in a process, before anything is known about the caller."""

import time
from collections import OrderedDict
from collections.abc import Callable

from atoll.addresses import bucket

MOST_ADDRESSES = 10_000
# Sums of times differ by a little.
ROUNDING_S = 1e-6


class Allowance:
    """``allowed`` at once, and one more every ``regain_s`` seconds. An IPv6 /64 counts as one address.

    It remembers MOST_ADDRESSES addresses, and forgets first the one that was counted least recently.
    """

    def __init__(self, allowed: int, regain_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._regain_s = regain_s
        self._longest_s = (allowed - 1) * regain_s + ROUNDING_S
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def wait_s(self, address: str) -> float:
        """Seconds until the address may have one more; 0 when it may have it now."""
        full_at = self._full_at.get(bucket(address))
        return 0.0 if full_at is None else max(0.0, full_at - self._now() - self._longest_s)

    def count(self, address: str) -> None:
        now, held, key = self._now(), self._full_at, bucket(address)
        held[key] = max(now, held.get(key, 0.0)) + self._regain_s
        held.move_to_end(key)
        if len(held) > MOST_ADDRESSES:
            held.popitem(last=False)
