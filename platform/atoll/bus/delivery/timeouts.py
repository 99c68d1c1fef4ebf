"""Ending a handler that outlasts its time, where that can be done from inside.

In a child of a prefork pool handlers run on the main thread, so an alarm reaches
whatever they do in Python, sleeping and waiting included. Elsewhere there is no
such means: the database ends their statements and transactions, and
``atoll.bus.worker.watchdog`` looks after the rest.
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
    """In a new child, on its main thread: from here on alarms interrupt handlers."""
    global _is_armed
    signal.signal(signal.SIGALRM, _interrupt)
    _is_armed = True


@contextmanager
def within(started: float, timeout_s: float, what: str) -> Iterator[None]:
    """Raises HandlerTimeout when ``timeout_s`` have passed since ``started``, on the monotonic clock:
    in the midst of the block in a child, at the end of the block elsewhere."""
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
    """After an interruption nobody knows in what state Django's connection is: throw it away.

    The server rolls back what was open on it.
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
    """Not an Exception, so that a handler that catches those does not swallow it."""


def _interrupt(*_: Any) -> None:
    global _was_interrupted
    _was_interrupted = True
    raise _Interrupted
