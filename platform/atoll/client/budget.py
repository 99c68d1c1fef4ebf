"""Retry budget: retries add at most a share to the traffic.

When a service fails for all its callers, retries of every request would multiply its load
just then. Source: Finagle's RetryBudget.
"""

import threading
import time
from collections.abc import Callable

from atoll.client.policy import MAX_SAVED_RETRIES, REQUESTS_PER_RETRY, RETRIES_PER_S

# Counted in requests, which are whole numbers.
CAPACITY = MAX_SAVED_RETRIES * REQUESTS_PER_RETRY


class Budget:
    """One retry for every `REQUESTS_PER_RETRY` requests, and `RETRIES_PER_S` besides.

    Starts full, so that a quiet caller may retry too. Thread-safe.
    """

    __slots__ = ("_clock", "_lock", "_refilled_at", "_saved")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._saved: float = CAPACITY
        self._refilled_at = clock()

    def deposit(self) -> None:
        """Count one request."""
        if self._saved >= CAPACITY:
            return
        with self._lock:
            self._saved = min(CAPACITY, self._saved + 1)

    def withdraw(self) -> bool:
        """True when one retry may be made."""
        with self._lock:
            now = self._clock()
            earned = (now - self._refilled_at) * RETRIES_PER_S * REQUESTS_PER_RETRY
            self._saved = min(CAPACITY, self._saved + earned)
            self._refilled_at = now
            if self._saved < REQUESTS_PER_RETRY:
                return False
            self._saved -= REQUESTS_PER_RETRY
            return True
