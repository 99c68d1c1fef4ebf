"""Counts wrong credentials by (address, service), and delays their answers (docs/decisions/0053).

A valid credential passes before this check. So guessing locks nobody out, not even a service behind
the same address.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from math import ceil

from atoll.addresses import bucket
from atoll.errors import Refusal, TooManyRequests
from registry.http.messages import Request
from registry.http.metrics import LATE

logger = logging.getLogger(__name__)

WINDOW_S = 60.0
IN_A_WINDOW = 30
LATE_S = 1.0
# When so many delayed answers wait, the next wrong credential is refused at once.
MAX_LATE = 200
MAX_COUNTED = 4096
# All unknown service names share one counter, so that invented names need no memory.
UNKNOWN = ""


class WrongCredentials:
    def __init__(self, *, late_s: float = LATE_S, clock: Callable[[], float] = time.monotonic) -> None:
        self.late_s = late_s
        self._clock = clock
        self._counts: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()
        self._late = 0

    async def refuse(self, request: Request, service: str, error: Refusal) -> None:
        """Count the failure, wait ``late_s`` without a thread, and raise ``error``.

        After `IN_A_WINDOW` failures in a minute it raises TooManyRequests instead.
        """
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
