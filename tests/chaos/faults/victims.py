"""The parts of a run that faults act on."""

import threading
from collections.abc import Callable
from typing import Any

import psycopg2

from tests.chaos import wire
from tests.chaos.journal import Journal
from tests.chaos.system import System

POLL_S = 0.5


class Faults:
    def __init__(
        self, system: System, journal: Journal, mirror: wire.Mirror | None, say: Callable[[str], None]
    ) -> None:
        self._system = system
        self._journal = journal
        self._mirror = mirror
        self._say = say
        self._stopping = threading.Event()

    def _sql(self, database: str, statement: str, parameter: Any) -> int:
        connection = psycopg2.connect(self._system.superuser_url(database), connect_timeout=3)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, [parameter])
                return int(cursor.fetchone()[0])
        finally:
            connection.close()
