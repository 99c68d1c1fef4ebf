"""Waking the relay after a commit.

Where the relay runs in this process, a byte in a socket wakes it. Otherwise a NOTIFY finds it. Both may get
lost with their process; the relay's poll finds the row then.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

CHANNEL = "atoll_outbox"

_answering: "Bell | None" = None


class Bell:
    """Wakes the thread that selects on it. Only the first of several rings costs a system call."""

    def __init__(self) -> None:
        self._heard, self._rings = socket.socketpair()
        self._is_ringing = False
        self._lock = threading.Lock()
        # A forked child has the sockets, and not the thread.
        self._process = os.getpid()

    def fileno(self) -> int:
        return self._heard.fileno()

    def ring(self) -> bool:
        """Whether this process may ring it."""
        if self._process != os.getpid():
            return False
        with self._lock:
            if not self._is_ringing:
                self._is_ringing = True
                self._rings.send(b"x")
        return True

    def silence(self) -> bool:
        """Whether it was ringing."""
        with self._lock:
            if was_ringing := self._is_ringing:
                self._is_ringing = False
                self._heard.recv(1)
        return was_ringing

    def close(self) -> None:
        with self._lock:
            self._is_ringing = True
            self._heard.close()
            self._rings.close()


@contextmanager
def answering() -> Iterator[Bell]:
    """Commits of this process ring the bell and send no NOTIFY meanwhile."""
    global _answering
    bell = Bell()
    _answering = bell
    try:
        yield bell
    finally:
        if _answering is bell:
            _answering = None
        bell.close()


def after_commit() -> None:
    """Wake the relay after the commit, once per transaction.

    A NOTIFY inside the transaction would hold a lock of the whole server while the commit waits for the
    disk, so that all publishing transactions would commit one by one.
    """
    if not any(_wake in waiting for waiting in connection.run_on_commit):
        transaction.on_commit(_wake, robust=True)


def _wake() -> None:
    bell = _answering
    if bell is None or not bell.ring():
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}")
