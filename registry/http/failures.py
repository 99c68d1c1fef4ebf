"""Wrong credentials: counted by (address, service) and answered late.

Nothing here stands before a valid credential, so guessing locks nobody out, not even a
neighbour behind the same address (docs/decisions/0053).
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from math import ceil

from atoll.addresses import bucket
from atoll.errors import Refusal, TooManyRequests
from registry.http.figures import LATE
from registry.http.messages import Request

logger = logging.getLogger(__name__)

WINDOW_S = 60.0
IN_A_WINDOW = 30
LATE_S = 1.0
# Beyond so many that wait for their late answer, the next is refused at once.
MAX_LATE = 200
MAX_COUNTED = 4096
# Names that no credential has share one counter, so that made-up ones cost no memory.
UNKNOWN = ""


class Failures:
    def __init__(self, *, late_s: float = LATE_S, clock: Callable[[], float] = time.monotonic) -> None:
        self.late_s = late_s
        self._clock = clock
        self._counts: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()
        self._late = 0

    async def refuse(self, request: Request, service: str, error: Refusal) -> None:
        """Counts it, waits, and raises: the error, or TooManyRequests after `IN_A_WINDOW` in a
        minute. While it waits it holds no thread."""
        address = bucket(request.caller)
        count, left_s = self._count((address, service))
        if count == IN_A_WINDOW + 1:
            logger.warning(
                "too many wrong credentials from %s for %s", address, service or "an unknown service"
            )
        if self._late >= MAX_LATE:
            raise _too_many(left_s)
        self._late += 1
        LATE.inc()
        try:
            await asyncio.sleep(self.late_s)
        finally:
            self._late -= 1
            LATE.dec()
        raise error if count <= IN_A_WINDOW else _too_many(left_s)

    def _count(self, key: tuple[str, str]) -> tuple[int, float]:
        now = self._clock()
        since, count = self._counts.pop(key, (now, 0))
        if now - since >= WINDOW_S:
            since, count = now, 0
        self._counts[key] = since, count + 1
        if len(self._counts) > MAX_COUNTED:
            self._counts.popitem(last=False)
        return count + 1, since + WINDOW_S - now


def _too_many(left_s: float) -> TooManyRequests:
    return TooManyRequests(
        f"At most {IN_A_WINDOW} wrong credentials a minute. A valid one is accepted at any time.",
        retry_after_s=max(1, ceil(left_s)),
        code="too_many_failures",
    )
