"""The attempts under way in this process, so that a shutdown can give them back."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import connection
from django.db.utils import Error

from atoll.bus import deliveries
from atoll.bus.deliveries import Claim

_lock = threading.Lock()
_running: dict[int, tuple[Claim, int]] = {}


@contextmanager
def running(claim: Claim) -> Iterator[None]:
    """The claim is being worked on by this thread, on its current database connection."""
    thread = threading.get_ident()
    with _lock:
        _running[thread] = (claim, connection.connection.fileno())
    try:
        yield
    finally:
        with _lock:
            _running.pop(thread, None)


def abandon() -> int:
    """Cut off every attempt and give its claim back; how many were given back.

    For a process that ends at once: a cut transaction is rolled back by the
    server, and another worker may start over without waiting for the lease.
    """
    with _lock:
        held = list(_running.values())
        for _, descriptor in held:
            with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as server:
                server.shutdown(socket.SHUT_RDWR)
    released = 0
    with suppress(Error):
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 500")
        for claim, _ in held:
            with suppress(Error):
                released += deliveries.release(claim)
    connection.close()
    return released
