"""What turns a plain Celery worker into a whole one: a step of its start and stop."""

import os
import threading
import time
from contextlib import suppress
from typing import Any

import structlog
from celery import bootsteps
from celery.signals import worker_shutting_down

from atoll import conf
from atoll.bus import inflight, safety
from atoll.bus.hints import Hints
from atoll.bus.host import Host
from atoll.bus.presence import Presence

log = structlog.get_logger("atoll.bus")

# From SIGTERM to exit; what still runs then is cut off and given back.
GRACE_S = 6.5


class BusStep(bootsteps.StartStopStep):
    """Starts after the pool, so that its threads and sockets are never forked with it."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._host: Host | None = None
        self._presence = Presence()

    def start(self, worker: Any) -> None:
        safety.refuse_unsafe(worker.app)
        worker_shutting_down.connect(self._hurry)
        worker_shutting_down.connect(self._withdraw)
        if conf.flag("BUS_IN_WORKER", default=True):
            self._host = Host(Hints(worker.app), self._presence.ready)
            self._host.start()
        else:
            self._presence.ready()
        self._pool = worker.pool

    def stop(self, worker: Any) -> None:
        if self._host:
            self._host.stop()
        self._presence.gone()

    def _withdraw(self, **_: Any) -> None:
        self._presence.leaving()

    def _hurry(self, **_: Any) -> None:
        threading.Thread(target=self._end, name="grace", daemon=True).start()

    def _end(self) -> None:
        time.sleep(GRACE_S)
        released = inflight.abandon()
        log.warning("worker cut off after its grace period", grace_s=GRACE_S, released=released)
        with suppress(NotImplementedError):
            self._pool.terminate()
        os._exit(os.EX_OK)
