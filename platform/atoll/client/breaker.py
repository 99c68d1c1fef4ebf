"""Circuit breaker: send no requests to an instance that keeps failing, then send one as a probe.

    closed --5 failures in a row--> open --rest--> half-open --probe succeeds--> closed
                                      ^                |
                                      '--probe fails---'  and the rest doubles: 1 s, 2 s, ... 60 s

Source: Nygard, "Release It!", "Circuit Breaker"; for the growing rest docs/decisions/0021.
"""

import threading
import time
from collections.abc import Callable
from typing import Literal

from atoll.client.policy import FAILURES_TO_OPEN, FIRST_REST_S, LAST_REST_S, PROBES

State = Literal["closed", "open", "half-open"]


class Breaker:
    """After each `allow` that returned True the caller calls exactly one of `succeeded`, `failed` and
    `released` (the request showed nothing about the instance). Thread-safe."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failed = 0
        self._rest_s = FIRST_REST_S
        self._opened_at: float | None = None
        self._probing = 0

    @property
    def state(self) -> State:
        if self._opened_at is None:
            return "closed"
        return "open" if self._remaining_s() > 0 else "half-open"

    @property
    def is_open(self) -> bool:
        """Whether `allow` would return False now. Uses up no probe."""
        state = self.state
        return state == "open" or (state == "half-open" and self._probing >= PROBES)

    def retry_after_s(self) -> float:
        """Seconds until `allow` lets a probe through."""
        return 0.0 if self._opened_at is None else max(0.0, self._remaining_s())

    def allow(self) -> bool:
        with self._lock:
            state = self.state
            if state == "half-open" and self._probing < PROBES:
                self._probing += 1
                return True
            return state == "closed"

    def succeeded(self) -> bool:
        """Return whether this closed the breaker."""
        with self._lock:
            if self._opened_at is not None and not self._probing:
                return False  # a request sent before it opened says nothing about now
            was_closed = self._opened_at is None
            self._failed = 0
            self._opened_at = None
            self._probing = 0
            return not was_closed

    def failed(self) -> bool:
        """Return whether this opened the breaker, also again after a probe."""
        with self._lock:
            self._failed += 1
            if self._probing:
                self._probing -= 1
                self._opened_at = self._clock()
                self._rest_s = min(self._rest_s * 2, LAST_REST_S)
                return True
            if self._opened_at is None and self._failed >= FAILURES_TO_OPEN:
                self._opened_at = self._clock()
                self._rest_s = FIRST_REST_S
                return True
            return False

    def released(self) -> bool:
        """Return False: the breaker stays as it is."""
        with self._lock:
            self._probing = max(0, self._probing - 1)
        return False

    def _remaining_s(self) -> float:
        assert self._opened_at is not None  # noqa: S101
        return self._opened_at + self._rest_s - self._clock()
