"""Tells the edge of every new publication: notified at once, asked for once a second besides."""

import logging
import select
import threading
from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, InterfaceError, connection

from gateway.models import Publication
from gateway.usecases.publish import CHANNEL

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
LAST_RETRY_S = 5.0


class Publications:
    """One thread with one connection of its own; the database being away ends neither."""

    def __init__(self, deliver: Callable[[dict[str, Any]], None]) -> None:
        self._deliver = deliver
        self._version = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="publications", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=LOOK_EVERY_S + 1)

    def look(self) -> bool:
        """Deliver the newest publication if it is not the one delivered last."""
        latest = Publication.objects.first()
        if latest is None or latest.version == self._version:
            return False
        self._deliver(latest.document)
        self._version = latest.version
        return True

    def _run(self) -> None:
        retry_s, listening = LOOK_EVERY_S, False
        while not self._stopping.is_set():
            try:
                if not listening:
                    with connection.cursor() as cursor:
                        cursor.execute(f"LISTEN {CHANNEL}")
                    listening, retry_s = True, LOOK_EVERY_S
                self.look()
                self._wait()
            except (DatabaseError, InterfaceError, OSError) as error:
                if retry_s == LOOK_EVERY_S:
                    log.warning("new routing tables cannot be seen, the last good one stays: %s", error)
                connection.close()
                listening = False
                self._stopping.wait(retry_s)
                retry_s = min(retry_s * 2, LAST_RETRY_S)
        connection.close()

    def _wait(self) -> None:
        raw = connection.connection
        ready, _, _ = select.select([raw], [], [], LOOK_EVERY_S)
        if ready:
            raw.poll()
            raw.notifies.clear()
