"""An answer that is asked for at most once in a while, however many want it."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class Remembered(Generic[Answer]):
    """Calls ``read`` when the answer is older than ``for_s`` seconds; who comes meanwhile waits for it.

    What ``read`` raises is raised and not remembered.
    """

    def __init__(
        self, read: Callable[[], Answer], *, for_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._for_s = for_s
        self._clock = clock
        self._lock = threading.Lock()
        self._held: tuple[float, Answer] | None = None

    def __call__(self) -> Answer:
        with self._lock:
            if self._held is None or self._clock() - self._held[0] >= self._for_s:
                self._held = (self._clock(), self._read())
            return self._held[1]

    def forget(self) -> None:
        with self._lock:
            self._held = None
