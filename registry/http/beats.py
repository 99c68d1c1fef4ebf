"""Heartbeats that were accepted in memory and are written to the database in batches.

A crash loses the heartbeats of at most `FLUSH_S` seconds. They come every 15 seconds and a lease
lasts 60, so no instance becomes silent by it (docs/decisions/0055).
"""

import logging
import threading
import time
from collections.abc import Callable

from django.db import Error, connection

from registry.usecases.refresh_index import refresh_index
from registry.usecases.renew import Beat, renew

logger = logging.getLogger(__name__)

FLUSH_S = 2.0
RETRY_S = 1.0
# An urgent heartbeat waits so long for others, so that one write takes them all.
GATHER_S = 0.02


class Beats:
    """The event loop adds heartbeats, a thread writes them. Each instance has at most one entry."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._pending: dict[int, tuple[int, float]] = {}
        self._revived: set[int] = set()
        self.is_urgent = threading.Event()

    def add(self, pk: int, incarnation: int, *, urgent: bool) -> None:
        """``urgent``: write it within a fraction of a second, since its lease is over or nearly over."""
        with self._lock:
            self._pending[pk] = incarnation, self._clock()
        if urgent:
            self.is_urgent.set()

    def flush(self) -> None:
        """Write all heartbeats until now, and refresh the index of each service with a revived instance.

        Raises django.db.Error. The heartbeats stay for the next flush then.
        """
        with self._flushing:
            with self._lock:
                taken, self._pending = self._pending, {}
            try:
                self._write(taken)
            except Error:
                with self._lock:
                    self._pending = taken | self._pending
                raise
            while self._revived:
                service_id = next(iter(self._revived))
                refresh_index(service_id)
                self._revived.discard(service_id)

    def _write(self, taken: dict[int, tuple[int, float]]) -> None:
        if not taken:
            return
        now = self._clock()
        self._revived |= renew({pk: Beat(incarnation, now - at) for pk, (incarnation, at) in taken.items()})


class Flusher:
    """The thread that flushes `Beats` every `FLUSH_S` seconds, and at once for urgent heartbeats."""

    def __init__(self, beats: Beats) -> None:
        self._beats = beats
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="registry-flusher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Write the remaining heartbeats. Returns when the thread and its connection are gone."""
        self._stopping.set()
        self._beats.is_urgent.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._beats.is_urgent.wait(FLUSH_S):
                self._beats.is_urgent.clear()
                self._stopping.wait(GATHER_S)
            if not self._flush():
                self._stopping.wait(RETRY_S)
        self._flush()
        connection.close()

    def _flush(self) -> bool:
        try:
            self._beats.flush()
        except Error as error:
            logger.warning("heartbeats cannot be written, they stay in memory: %s", error)
            connection.close()
            return False
        return True
