"""A cache of one value that expires after a time to live."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class TtlCache(Generic[Value]):
    """Returns the cached value of ``read`` and calls ``read`` again once the value is ``ttl_s`` seconds old.

    One thread calls ``read`` at a time; the other threads wait for its value. An
    exception of ``read`` goes to the caller and is not cached.
    """

    def __init__(
        self, read: Callable[[], Value], *, ttl_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._ttl_s = ttl_s
        self._clock = clock
        self._lock = threading.Lock()
        self._cached: tuple[float, Value] | None = None

    def __call__(self) -> Value:
        with self._lock:
            if self._cached is None or self._clock() - self._cached[0] >= self._ttl_s:
                self._cached = (self._clock(), self._read())
            return self._cached[1]

    def clear(self) -> None:
        with self._lock:
            self._cached = None
