"""Ending a handler after its ``timeout_s``, from inside the process.

In a child of a prefork pool handlers run on the main thread, so an alarm signal interrupts all that they do
in Python, sleeping and waiting included. In a pool of threads PostgreSQL ends their statements and
transactions, and ``atoll.bus.worker.watchdog`` ends a worker whose handler is stuck elsewhere.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections


class HandlerTimeout(Exception):
    """The handler took longer than its ``timeout_s``; its effects were rolled back."""


_is_armed = False
_was_interrupted = False


def arm() -> None:
    """Let alarms interrupt handlers from here on. Call it on the main thread of a new child."""
    global _is_armed
    signal.signal(signal.SIGALRM, _interrupt)
    _is_armed = True


@contextmanager
def within(started: float, timeout_s: float, what: str) -> Iterator[None]:
    """Raise HandlerTimeout when ``timeout_s`` seconds have passed since ``started`` on the monotonic clock.

    In a child it is raised in the middle of the block, elsewhere at the end of the block.
    """
    timeout = HandlerTimeout(f"{what} took longer than {timeout_s} s.")
    try:
        if _is_armed:
            left_s = started + timeout_s - time.monotonic()
            signal.setitimer(signal.ITIMER_REAL, max(left_s, 0.001))
        try:
            yield
        finally:
            if _is_armed:
                signal.setitimer(signal.ITIMER_REAL, 0)
    except _Interrupted:
        raise timeout from None
    if time.monotonic() - started > timeout_s:
        raise timeout


def drop_interrupted_session() -> None:
    """Close Django's connection after an interruption, since its state is unknown then.

    PostgreSQL rolls its transaction back.
    """
    global _was_interrupted
    if not _was_interrupted:
        return
    _was_interrupted = False
    raw = connections[DEFAULT_DB_ALIAS].connection
    del connections[DEFAULT_DB_ALIAS]
    if raw is not None:
        raw.close()


class _Interrupted(BaseException):
    """Not an Exception, so that a handler that catches exceptions does not catch it."""


def _interrupt(*_: Any) -> None:
    global _was_interrupted
    _was_interrupted = True
    raise _Interrupted
