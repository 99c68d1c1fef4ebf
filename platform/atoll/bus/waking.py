"""Waking Celery's event loop when a pool thread or a signal has something for it.

With the threads pool and late acknowledgement a finished task leaves its ack
with ``hub.call_soon``, which does not interrupt the hub's ``poll``: the ack, and
with a prefetch of one the next task, would wait for unrelated traffic, up to a
second. (celery 5.7 mends this for gevent and eventlet: ``Consumer.call_soon_ack``.)
SIGTERM does not interrupt it either, since Python resumes an interrupted
``poll``: an idle worker would notice up to half a heartbeat later.
"""

import socket
from contextlib import suppress
from typing import Any

from celery import bootsteps
from celery.signals import worker_shutting_down


class WakeStep(bootsteps.StartStopStep):
    """A consumer step: gives the hub a socket that ``call_soon`` makes readable."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._reading, self._writing = socket.socketpair()
        self._reading.setblocking(False)
        self._writing.setblocking(False)
        worker_shutting_down.connect(self._wake)

    def register_with_event_loop(self, consumer: Any, hub: Any) -> None:
        """Called after each connection to the broker, on a hub that was reset."""
        hub.add_reader(self._reading.fileno(), self._drain)
        call_soon = type(hub).call_soon

        def call_soon_and_wake(callback: Any, *args: Any) -> Any:
            scheduled = call_soon(hub, callback, *args)
            self._wake()
            return scheduled

        hub.call_soon = call_soon_and_wake

    def _wake(self, **_: Any) -> None:
        with suppress(BlockingIOError):  # full of wake-ups already
            self._writing.send(b"\0")

    def _drain(self) -> None:
        with suppress(BlockingIOError):
            while self._reading.recv(4096):
                pass
