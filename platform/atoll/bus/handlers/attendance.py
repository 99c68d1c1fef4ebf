"""A worker's word, every few seconds, that it has code for its handlers.

Hints are sent for what some worker can run. What none can run waits quietly until one can,
and staff see since when nobody has had code for a handler.
"""

import threading

import structlog
from django.db import Error, connection

from atoll.bus.handlers import enrolment

log = structlog.get_logger("atoll.bus")

SAY_EVERY_S = 10.0


class Attendance(threading.Thread):
    """Holds no database connection between two words."""

    def __init__(self) -> None:
        super().__init__(name="attendance", daemon=True)
        self._stopping = threading.Event()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                enrolment.register(attends=True)
            except Error as error:
                log.warning("handlers not announced", error=str(error).strip())
            finally:
                connection.close()
            self._stopping.wait(SAY_EVERY_S)

    def stop(self) -> None:
        self._stopping.set()
