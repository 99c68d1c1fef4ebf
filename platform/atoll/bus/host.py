"""Ingest, relay and retention on threads of this process: inside a worker, or alone in ``PROJECT bus``."""

import threading
from collections.abc import Callable

import structlog

from atoll import conf
from atoll.bus import topology
from atoll.bus.hints import Hints
from atoll.bus.ingest import Ingestor
from atoll.bus.relay import Relay
from atoll.bus.retention import Janitor

log = structlog.get_logger("atoll.bus")

STOP_TIMEOUT_S = 3.0


class Host:
    """Two threads with a database and a broker connection each, and one that cleans now and then."""

    def __init__(self, hints: Hints, on_ready: Callable[[], None], *, attends: bool = True) -> None:
        """``attends``: this process runs handlers, too."""
        self._ingestor = Ingestor(hints, attends=attends)
        self._relay = Relay(hints, drain=hints.drain, attends=attends)
        self._janitor = Janitor()
        self._on_ready = on_ready
        self._threads = [
            threading.Thread(target=self._ingestor.run, name="ingest", daemon=True),
            threading.Thread(target=self._relay.run, name="relay", daemon=True),
            threading.Thread(target=self._janitor.run, name="retention", daemon=True),
        ]
        self._waiting = threading.Thread(target=self._announce, name="ready", daemon=True)
        self._stopping = threading.Event()

    def start(self) -> None:
        """Returns at once; ``on_ready`` is called when both sides are connected and consume, or stand by."""
        if topology.is_redis(conf.broker_url()):
            log.warning(
                "the embedded broker is for one machine: it may lose a message when the machine crashes"
            )
        for thread in (*self._threads, self._waiting):
            thread.start()

    def stop(self) -> None:
        """Finish the batches under way and give back what was claimed; at most STOP_TIMEOUT_S each."""
        self._stopping.set()
        self._ingestor.stop()
        self._relay.stop()
        self._janitor.stop()
        for thread in self._threads:
            thread.join(STOP_TIMEOUT_S)

    def _announce(self) -> None:
        for event in (self._ingestor.ready, self._relay.connected):
            while not event.wait(0.1):
                if self._stopping.is_set():
                    return
        self._on_ready()
