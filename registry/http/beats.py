"""Heartbeats on their way to the database: accepted in memory, written together.

A crash loses the beats of at most `FLUSH_S` seconds. They come every 15 seconds and a lease has
60, so no instance is taken for silent because of it (docs/decisions/0055).
"""

import logging
import threading
import time
from collections.abc import Callable

from django.db import Error, connection

from registry.usecases.renew import Beat, renew
from registry.usecases.settle import settle

logger = logging.getLogger(__name__)

FLUSH_S = 2.0
RETRY_S = 1.0
# An urgent beat waits so long for others that come with it.
GATHER_S = 0.02


class Beats:
    """Filled by the event loop, emptied by a thread. The memory is bounded by the number of
    instances: each has one entry, however often it beats."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._pending: dict[int, tuple[int, float]] = {}
        self._unsettled: set[int] = set()
        self.is_urgent = threading.Event()

    def add(self, pk: int, incarnation: int, *, urgent: bool) -> None:
        """``urgent``: written within a fraction of a second, since the lease is over or nearly so."""
        with self._lock:
            self._pending[pk] = incarnation, self._clock()
        if urgent:
            self.is_urgent.set()

    def flush(self) -> None:
        """Writes all that came until now, and brings the services in line of which a silent
        instance beats again, each once. Raises django.db.Error; nothing is lost by it."""
        with self._flushing:
            with self._lock:
                taken, self._pending = self._pending, {}
            try:
                self._write(taken)
            except Error:
                with self._lock:
                    self._pending = taken | self._pending
                raise
            while self._unsettled:
                service_id = next(iter(self._unsettled))
                settle(service_id)
                self._unsettled.discard(service_id)

    def _write(self, taken: dict[int, tuple[int, float]]) -> None:
        if not taken:
            return
        now = self._clock()
        self._unsettled |= renew({pk: Beat(incarnation, now - at) for pk, (incarnation, at) in taken.items()})


class Flusher:
    """The thread that empties `Beats` every `FLUSH_S` seconds, and at once for urgent ones."""

    def __init__(self, beats: Beats) -> None:
        self._beats = beats
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="registry-flusher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Writes what is left; returns when the thread and its connection are gone."""
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
            logger.warning("heartbeats cannot be written yet, they are kept: %s", error)
            connection.close()
            return False
        return True
