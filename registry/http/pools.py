"""Thread pools for blocking work (queries, name look-ups). A pool that is full sheds calls.

Each pool has a few threads that keep their database connections. A call waits for a thread in
the event loop. When its caller leaves, or its time is over, it is dropped before any work.
"""

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ParamSpec, TypeVar

from django.db import close_old_connections, connections

from atoll.errors import Unavailable
from registry.http.metrics import SHED

P = ParamSpec("P")
R = TypeVar("R")

RETRY_AFTER_S = 1.0
# Calls of one service that wait while another of it runs.
MAX_IN_TURN = 20


class Overloaded(Unavailable):
    """The registry has too many calls. The caller may try again after `RETRY_AFTER_S`."""

    def __init__(self, message: str) -> None:
        super().__init__("registry", message, retry_after_s=RETRY_AFTER_S)


@dataclass
class _Turn:
    """The calls of one key. One of them runs."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    count: int = 0


class BoundedPool:
    """Runs ``threads`` calls at once while at most ``waiting`` calls wait in line.

    A call raises Overloaded when the line is full, or when it has no result after ``patience_s``.
    A thread that hangs, for example in a database that does not answer, counts as busy until it returns.
    """

    def __init__(self, name: str, *, threads: int, waiting: int, patience_s: float) -> None:
        self.name = name
        self.threads = threads
        self._max_waiting = waiting
        self._patience_s = patience_s
        self._free = threads
        self._line: deque[asyncio.Future[None]] = deque()
        self._turns: dict[str, _Turn] = {}
        self._executor: ThreadPoolExecutor | None = None

    async def run(self, function: Callable[P, R], *args: P.args, **options: P.kwargs) -> R:
        """The function's result. It runs in one of the threads, with this task's context variables."""
        try:
            async with asyncio.timeout(self._patience_s):
                await self._turn()
                return await self._work(partial(function, *args, **options))
        except TimeoutError as error:
            self._shed()
            raise Overloaded("It did not get to this call in time.") from error

    async def run_in_turn(self, key: str, function: Callable[P, R], *args: P.args, **options: P.kwargs) -> R:
        """Like `run`, but one call of a ``key`` at a time. So a flood of one service takes one thread."""
        turn = self._turns.setdefault(key, _Turn())
        if turn.count > MAX_IN_TURN:
            self._shed()
            raise Overloaded("Too many calls of this service are waiting already.")
        turn.count += 1
        try:
            async with asyncio.timeout(self._patience_s):
                await turn.lock.acquire()
            try:
                return await self.run(function, *args, **options)
            finally:
                turn.lock.release()
        except TimeoutError as error:
            self._shed()
            raise Overloaded("It did not get to this call in time.") from error
        finally:
            turn.count -= 1
            if not turn.count:
                del self._turns[key]

    def close(self) -> None:
        """End the threads and their connections. The next `run` starts new ones."""
        if self._executor is None:
            return
        everyone = threading.Barrier(self.threads)  # each thread takes one of the calls
        for _ in range(self.threads):
            self._executor.submit(_leave, everyone)
        self._executor.shutdown(wait=True)
        self._executor = None
        self._free = self.threads
        self._line.clear()

    async def _turn(self) -> None:
        if self._free:
            self._free -= 1
            return
        if len(self._line) >= self._max_waiting:
            self._shed()
            raise Overloaded("Too many calls of this kind are waiting already.")
        turn = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._next()
            else:
                with suppress(ValueError):
                    self._line.remove(turn)
            raise

    async def _work(self, call: Callable[[], R]) -> R:
        loop = asyncio.get_running_loop()
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self.threads, thread_name_prefix=f"registry-{self.name}")
        work = self._executor.submit(contextvars.copy_context().run, _with_fresh_connection, call)
        try:
            return await asyncio.shield(asyncio.wrap_future(work))
        finally:
            if work.done():
                self._next()
            else:
                work.add_done_callback(partial(self._finished, loop))

    def _finished(self, loop: asyncio.AbstractEventLoop, _: "Future[Any]") -> None:
        """Runs in the thread. Its caller no longer waits."""
        try:
            loop.call_soon_threadsafe(self._next)
        except RuntimeError:  # the loop is closed, so nobody waits in line
            self._free += 1

    def _next(self) -> None:
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _shed(self) -> None:
        SHED.labels(self.name).inc()


# Heartbeats of instances that this process does not have in memory.
BEATS = BoundedPool("heartbeats", threads=1, waiting=200, patience_s=2.0)
# Reads that refresh memory: one at a time for each service.
READS = BoundedPool("looks", threads=2, waiting=200, patience_s=1.5)
WRITES = BoundedPool("writes", threads=2, waiting=100, patience_s=2.5)
# Tokens of people, and the lists they read.
PEOPLE = BoundedPool("people", threads=1, waiting=20, patience_s=2.0)
# Spans and reports of failures may wait or come again; they never take the thread of a heartbeat.
SPANS = BoundedPool("spans", threads=1, waiting=50, patience_s=2.5)
# What the console shows to all its viewers, and their sessions.
CONSOLE = BoundedPool("console", threads=1, waiting=100, patience_s=5.0)
# Log files that open pages follow.
LOGS = BoundedPool("logs", threads=1, waiting=60, patience_s=5.0)
ALL = (BEATS, READS, WRITES, PEOPLE, SPANS, CONSOLE, LOGS)


def close() -> None:
    for pool in ALL:
        pool.close()


def _with_fresh_connection(function: Callable[[], R]) -> R:
    close_old_connections()
    return function()


def _leave(everyone: threading.Barrier) -> None:
    everyone.wait()
    connections.close_all()
