"""Keeping the leases of what prepares outside a transaction.

Inside its transaction a handler is held by the lock on its row. Before that, in
``before``, only the lease says that somebody works on it: one thread renews the
leases of this process while there are any, until their handlers' time is over.
A host that vanishes renews nothing, so its attempts are made elsewhere soon.
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
def kept(claim: Claim, until: float) -> Iterator[None]:
    """Inside, the claim's lease does not end before ``until``, on the monotonic clock."""
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
            kept_now = [attempt for attempt, until in _held.items() if now < until]
        if kept_now:
            try:
                deliveries.renew(kept_now)
            except Error as error:
                # Tried again well before the lease ends.
                log.warning("leases not renewed", attempts=len(kept_now), error=str(error).strip())
            finally:
                connection.close()


def _forget() -> None:
    """In a forked child: the thread is the parent's, and so is what it held."""
    global _changed, _thread
    _changed, _thread = threading.Condition(), None
    _held.clear()


os.register_at_fork(after_in_child=_forget)
