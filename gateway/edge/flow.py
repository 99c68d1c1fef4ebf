"""Runs the coroutine of a request without an asyncio task.

A task costs a trip through the event loop at its start and at each wake-up. A `Flow` starts at once, and
the callback that has the awaited bytes continues it directly. Its coroutine may await only a `Waiter`,
`outside`, and coroutines that keep this rule.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")


class Waiter:
    """One event. One flow may await it; `wake` continues this flow before it returns."""

    __slots__ = ("_flow", "_is_over")

    def __init__(self) -> None:
        self._flow: Flow | None = None
        self._is_over = False

    def __await__(self) -> Generator["Waiter", None, None]:
        if not self._is_over:
            yield self

    def wake(self) -> None:
        self._is_over = True
        flow, self._flow = self._flow, None
        if flow is not None:
            flow._waiter = None
            flow._run(None)


class Flow:
    """``done`` gets the result and the error of the coroutine; one of them is None."""

    __slots__ = ("_coroutine", "_done", "_error", "_is_running", "_waiter", "finished")

    def __init__(
        self,
        coroutine: Coroutine[Waiter, None, Any],
        done: Callable[[Any, BaseException | None], None] | None = None,
    ) -> None:
        self._coroutine = coroutine
        self._done = done
        self._error: BaseException | None = None
        self._waiter: Waiter | None = None
        self._is_running = False
        self.finished = False

    def start(self) -> "Flow":
        self._run(None)
        return self

    def throw(self, error: BaseException) -> None:
        """Raise ``error`` where the coroutine waits, or where it will wait next."""
        if self.finished:
            return
        if self._is_running:
            self._error = error
            return
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter._flow = None
        self._run(error)

    def _run(self, error: BaseException | None) -> None:
        coroutine = self._coroutine
        self._is_running = True
        try:
            while True:
                waiter = coroutine.send(None) if error is None else coroutine.throw(error)
                error, self._error = self._error, None
                if error is None:
                    waiter._flow = self
                    self._waiter = waiter
                    return
        except StopIteration as stop:
            self._finish(stop.value, None)
        except BaseException as failure:
            self._finish(None, failure)
        finally:
            self._is_running = False

    def _finish(self, result: Any, error: BaseException | None) -> None:
        self.finished = True
        if self._done is not None:
            self._done(result, error)
        elif error is not None:
            log.error("a flow failed", exc_info=error)


async def outside(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run ``coroutine`` in an asyncio task and wait for it. The end of the flow cancels the task."""
    task = asyncio.get_running_loop().create_task(coroutine)
    waiter = Waiter()
    task.add_done_callback(lambda _: waiter.wake())
    try:
        await waiter
    except BaseException:
        task.cancel()
        raise
    return task.result()


async def in_task(coroutine: Coroutine[Waiter, None, T]) -> T:
    """Run a flow's coroutine from an asyncio task. Cancelling the task ends the flow."""
    future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def done(result: T, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)

    flow = Flow(coroutine, done).start()
    try:
        return await future
    except asyncio.CancelledError:
        flow.throw(asyncio.CancelledError())
        raise
