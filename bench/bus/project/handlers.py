"""The handler under load: a row lock, a change, an effect to count, a commit."""

import os
import time
from dataclasses import dataclass
from typing import ClassVar

from django.db import connection, transaction

from atoll.bus import Message, on
from bench.bus.project.models import ACCOUNTS

# SQL, since the benchmark measures the bus and not the ORM.
BOOK = """
WITH account AS (UPDATE bench_account SET total = total + 1 WHERE id = %(account)s)
INSERT INTO bench_booking (number) VALUES (%(number)s)
"""

# One line for each commit: the event's number, and the time after the commit in nanoseconds since 1970.
_times = os.open(os.environ["BENCH_TIMES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


@dataclass(frozen=True)
class Booked:
    """With ``is_timed`` the handler notes the time of its end. ``filler`` makes the body about 1 kB."""

    type: ClassVar[str] = "bench.booked"
    version: ClassVar[int] = 1
    number: int
    is_timed: bool
    filler: str


@on("bench.booked")
def book(event: Booked, message: Message) -> None:
    with connection.cursor() as cursor:
        cursor.execute(BOOK, {"account": event.number % ACCOUNTS + 1, "number": event.number})
    if event.is_timed:
        transaction.on_commit(lambda: note(event.number))


def note(number: int) -> None:
    os.write(_times, b"%d %d\n" % (number, time.time_ns()))
