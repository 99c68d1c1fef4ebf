"""Running calls at the very same moment, to prove that a race has one winner."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connection

from atoll.errors import AtollError

__all__ = ["at_once"]

START_TIMEOUT_S = 10

Result = TypeVar("Result")


def at_once(calls: Sequence[Callable[[], Result]]) -> list[Result | AtollError]:
    """What each call returned, in their order; an AtollError it raised stands in its place.

    Each runs on a database connection of its own, so the test needs
    ``django_db(transaction=True)``. Any other exception is raised here.
    """
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Result]) -> Result | AtollError:
        try:
            start.wait(timeout=START_TIMEOUT_S)
            return call()
        except AtollError as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))
