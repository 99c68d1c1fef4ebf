"""Renewing the leases of deliveries while their handlers' ``before`` runs.

Inside the handler's transaction the lock on the row holds the claim. In ``before`` there is no
transaction, and only the lease holds it: one thread renews the leases of this process until the time-outs
of their handlers. A host that disappears renews nothing, so other workers soon make its attempts.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import structlog
from django.db import Error, connection

from atoll.bus.delivery import store as deliveries
from atoll.bus.delivery.store import Claim

log = structlog.get_logger("atoll.bus")

RENEW_EVERY_S = 10.0

_changed = threading.Condition()
_held: dict[tuple[UUID, int], float] = {}
_thread: threading.Thread | None = None


@contextmanager
def renewed(claim: Claim, until: float) -> Iterator[None]:
    """Inside, the claim's lease does not end before ``until``, a time of the monotonic clock."""
    global _thread
    attempt = (claim.id, claim.attempt)
    with _changed:
        _held[attempt] = until
        _changed.notify()
        if _thread is None:
            _thread = threading.Thread(target=_renew, name="leases", daemon=True)
            _thread.start()
    try:
        yield
    finally:
        with _changed:
            del _held[attempt]


def _renew() -> None:
    while True:
        with _changed:
            while not _held:
                _changed.wait()
        time.sleep(RENEW_EVERY_S)
        with _changed:
            now = time.monotonic()
            held = [attempt for attempt, until in _held.items() if now < until]
        if held:
            try:
                deliveries.renew(held)
            except Error as error:
                # The next try is well before the lease ends.
                log.warning("leases not renewed", attempts=len(held), error=str(error).strip())
            finally:
                connection.close()


def _reset_after_fork() -> None:
    """In a forked child the thread and the leases are the parent's."""
    global _changed, _thread
    _changed, _thread = threading.Condition(), None
    _held.clear()


os.register_at_fork(after_in_child=_reset_after_fork)
