"""Gives each new publication to the edge, by notification, and by a query every second."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from atoll.backoff import Backoff
from atoll.postgresql.listening import keep_listening
from gateway.models import Publication
from gateway.usecases.publish import CHANNEL

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
LAST_RETRY_S = 5.0


class Publications:
    """A thread with its own connection. It continues while the database is away."""

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
        """Deliver the newest publication unless it was delivered before."""
        latest = Publication.objects.first()
        if latest is None or latest.version == self._version:
            return False
        self._deliver(latest.document)
        self._version = latest.version
        return True

    def _run(self) -> None:
        keep_listening(
            CHANNEL,
            stopping=self._stopping,
            tick=lambda _: self.look(),
            tick_s=LOOK_EVERY_S,
            lost=_warn_once,
            backoff=Backoff(first_s=LOOK_EVERY_S, last_s=LAST_RETRY_S),
        )


def _warn_once(error: Exception, is_first: bool) -> None:
    if is_first:
        log.warning("new routing tables cannot be read, the last one stays: %s", error)
