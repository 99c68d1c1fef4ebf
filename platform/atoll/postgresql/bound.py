"""Bounds the database connections of a process, whatever its number of threads."""

import gc
import os
import threading
import time
from collections.abc import Callable

from django.db import OperationalError

from atoll.conf import options

VARIABLE = options.DATABASE_CONNECTIONS.variable
# For a process that does not give its number of threads, such as a management command.
OTHERWISE = 50
WAIT_S = 5.0
COLLECT_EVERY_S = 1.0


class Bound:
    """``take`` waits up to ``wait_s`` for a place, and returns a function that gives it back, once."""

    def __init__(self, most: int, wait_s: float = WAIT_S) -> None:
        self.most = most
        self._wait_s = wait_s
        self._free = threading.BoundedSemaphore(most)
        self._collected_at = float("-inf")

    def take(self) -> Callable[[], None]:
        """Raises OperationalError (to a client: 503) when all places stay taken."""
        if not self._free.acquire(blocking=False):
            self._collect()
            self._wait()
        return self._free.release

    def _collect(self) -> None:
        """Let go of connections whose threads have ended: Django keeps each in a cycle of references."""
        now = time.monotonic()
        if now - self._collected_at >= COLLECT_EVERY_S:
            self._collected_at = now
            gc.collect()

    def _wait(self) -> None:
        if not self._free.acquire(timeout=self._wait_s):
            raise OperationalError(
                f"This process has all of its {self.most} database connections in use; {VARIABLE} sets "
                "how many it may have."
            )


_bound = Bound(OTHERWISE)
_in_children: int | None = None


def hold_to(most: int, *, in_children: int | None = None) -> None:
    """From now on this process has at most ``most`` connections; DATABASE_CONNECTIONS overrules it.

    A forked child starts at zero with a bound of its own, ``in_children`` or the same. Call this before
    the first connection: it does not count open ones.
    """
    global _bound, _in_children
    _bound, _in_children = Bound(told(most)), in_children


def told(most: int) -> int:
    """DATABASE_CONNECTIONS where it is set, else ``most``."""
    return options.DATABASE_CONNECTIONS.value() or most


def take() -> Callable[[], None]:
    return _bound.take()


def _begin_anew() -> None:
    global _bound
    _bound = Bound(_in_children or _bound.most)


os.register_at_fork(after_in_child=_begin_anew)
