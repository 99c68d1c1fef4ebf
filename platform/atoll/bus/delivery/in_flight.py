"""The attempts that this worker is making, so that a shutdown can give them back."""

import os
import socket
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.utils import Error

from atoll.bus.delivery import attempt_slots, statements
from atoll.bus.delivery.store import Claim

# Ends the sessions that run the attempts, so that their locks are gone at once. A session in the middle of
# a statement would not notice that its client is gone before the statement ends. For a child's attempt this
# process does not know the session; there the session that made the claim runs it, too.
END_SESSIONS = """
SELECT pg_terminate_backend(COALESCE(%(backend)s::integer, holder.pid))
FROM atoll_bus_delivery AS delivery LEFT JOIN pg_stat_get_activity(delivery.session) AS holder
    ON holder.backend_start <= delivery.claimed_at
WHERE delivery.id = %(id)s AND delivery.status = 'running' AND delivery.attempts = %(attempt)s
"""


@dataclass(frozen=True, slots=True)
class Held:
    """An attempt on a thread of this process; ``ends_at`` is on the monotonic clock."""

    claim: Claim
    descriptor: int
    backend: int
    ends_at: float


_lock = threading.Lock()
_running: dict[int, Held] = {}


@contextmanager
def running(claim: Claim, timeout_s: float) -> Iterator[None]:
    """Inside, this thread works on the claim, on its current database connection."""
    thread = threading.get_ident()
    ends_at = time.monotonic() + timeout_s
    with _lock:
        session = connection.connection
        _running[thread] = Held(claim, session.fileno(), session.info.backend_pid, ends_at)
    attempt_slots.note(claim.id, claim.attempt, ends_at)
    try:
        yield
    finally:
        attempt_slots.clear()
        with _lock:
            _running.pop(thread, None)


def overdue(by_s: float) -> dict[int, Held]:
    """By thread, the attempts that should have ended more than ``by_s`` seconds ago."""
    now = time.monotonic()
    with _lock:
        return {thread: held for thread, held in _running.items() if held.ends_at + by_s < now}


def abandon(of_children: Collection[attempt_slots.Entry] = ()) -> int:
    """Cut off every attempt and give its claim back; how many were given back.

    For a process that ends at once: PostgreSQL rolls the cut transactions back, and another worker may
    start over without waiting for the lease. ``of_children`` are the attempts of killed children. An
    attempt that was overdue stays counted, so that a handler that is always stuck becomes a dead letter.
    """
    now = time.monotonic()
    with _lock:
        held = list(_running.values())
        for each in held:
            with suppress(OSError), socket.socket(fileno=os.dup(each.descriptor)) as server:
                server.shutdown(socket.SHUT_RDWR)
    attempts: list[tuple[UUID, int, int | None]] = [
        (each.claim.id, each.claim.attempt, each.backend) for each in held if each.ends_at > now
    ]
    attempts += [(entry.delivery_id, entry.attempt, None) for entry in of_children if entry.ends_at > now]
    released = 0
    with suppress(Error):
        released = _give_back(attempts)
    connection.close()
    return released


def _give_back(attempts: Sequence[tuple[UUID, int, int | None]]) -> int:
    released = 0
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 500")
        for identifier, attempt, backend in attempts:
            of: dict[str, Any] = {"id": identifier, "attempt": attempt, "backend": backend}
            with suppress(Error):
                cursor.execute(END_SESSIONS, of)
                cursor.execute(statements.RELEASE, of)
                released += cursor.rowcount
    return released
