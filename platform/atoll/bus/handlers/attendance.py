"""A thread by which a worker says every few seconds that it has code for its handlers.

Deliveries get hints while a worker with their handler's code runs. Without one they wait, and staff see
since when no worker has had the code.
"""

import threading

import structlog
from django.db import Error, connection

from atoll.bus.handlers import enrolment

log = structlog.get_logger("atoll.bus")

REGISTER_EVERY_S = 10.0


class Attendance(threading.Thread):
    """Closes its database connection after each registration."""

    def __init__(self) -> None:
        super().__init__(name="attendance", daemon=True)
        self._stopping = threading.Event()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                enrolment.register(runs_handlers=True)
            except Error as error:
                log.warning("handlers not registered", error=str(error).strip())
            finally:
                connection.close()
            self._stopping.wait(REGISTER_EVERY_S)

    def stop(self) -> None:
        self._stopping.set()
