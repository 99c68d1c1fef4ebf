"""Blocking work (queries, name look-ups) beside the event loop, in a few threads that keep their
database connections."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import close_old_connections, connections

THREADS = 4

P = ParamSpec("P")
R = TypeVar("R")

_threads: ThreadPoolExecutor | None = None


async def run(function: Callable[P, R], *args: P.args, **options: P.kwargs) -> R:
    """The function's result, computed in one of the threads, in this task's context."""
    global _threads
    if _threads is None:
        _threads = ThreadPoolExecutor(THREADS, thread_name_prefix="registry")
    call = partial(
        contextvars.copy_context().run, _with_fresh_connection, partial(function, *args, **options)
    )
    return await asyncio.get_running_loop().run_in_executor(_threads, call)


def _with_fresh_connection(function: Callable[[], R]) -> R:
    close_old_connections()
    return function()


def close() -> None:
    """Ends the threads and their connections. The next `run` starts new ones."""
    global _threads
    if _threads is not None:
        everyone = threading.Barrier(THREADS)  # so that no thread takes the turn of another
        for _ in range(THREADS):
            _threads.submit(_leave, everyone)
        _threads.shutdown(wait=True)
        _threads = None


def _leave(everyone: threading.Barrier) -> None:
    everyone.wait()
    connections.close_all()
