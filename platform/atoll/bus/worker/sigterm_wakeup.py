"""Waking Celery's event loop on SIGTERM.

Python resumes an interrupted ``poll``, so a signal alone does not end it: an idle
worker would notice up to half a heartbeat later. (Threads that have something for
the loop wake it themselves since kombu 5.7.)
"""

import socket
from contextlib import suppress
from typing import Any

from celery import bootsteps
from celery.signals import worker_shutting_down


class WakeStep(bootsteps.StartStopStep):
    """A consumer step: gives the hub a socket that the signal makes readable."""

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

    def _wake(self, **_: Any) -> None:
        with suppress(BlockingIOError):  # wake-ups fill its buffer already
            self._writing.send(b"\0")

    def _drain(self) -> None:
        with suppress(BlockingIOError):
            while self._reading.recv(4096):
                pass
