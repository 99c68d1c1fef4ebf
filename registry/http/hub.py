"""Blocking reads: requests that wait for a change in the event loop, without a thread."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable

from atoll.errors import Unavailable
from registry.http.metrics import WAITING
from registry.selectors import Answer

# The hub reads again so often while it cannot listen for changes, or while the database is away.
READ_AGAIN_S = 1.0
AFTER_EXPIRY_S = 0.02
# Calls that may wait: in all, and for one credential (a process waits once for each service).
MAX_WAITING = 4000
MAX_WAITING_OF_ONE = 1000
RETRY_AFTER_S = 5.0


class Hub:
    """Keeps the watchers of a service waiting until `wake`, until a lease in their answer may have
    expired, or until their time is over. For one event loop; ``read`` asks the database.

    No wake-up is lost. A watcher enlists before it reads, so a change is in its answer or wakes it.
    """

    def __init__(
        self,
        read: Callable[[str], Awaitable[Answer]],
        invalidate: Callable[[str], None] = lambda service: None,
    ) -> None:
        self._read = read
        self._invalidate = invalidate
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._next_read: dict[str, asyncio.Task[Answer]] = {}
        self._running: dict[str, asyncio.Task[Answer]] = {}
        self._waiting_of: Counter[str] = Counter()
        self._refreshing: set[asyncio.Task[Answer]] = set()
        self.is_listening = False
        self.is_closing = False

    async def answer(self, service: str, *, index: int = 0, wait_s: float = 0.0, caller: str = "") -> Answer:
        """The answer: at once when ``index`` is 0 or not the current one, else when the index moves or
        after ``wait_s``.

        An index above the current one is checked in the database: another process of the registry
        may be ahead, or the registry may have lost its data. Raises Unavailable when the database
        is away then, or when `MAX_WAITING` calls, or `MAX_WAITING_OF_ONE` of this caller, wait already.
        """
        if not index or wait_s <= 0:
            return await self._up_to(service, index)
        if self.watchers >= MAX_WAITING or self._waiting_of[caller] >= MAX_WAITING_OF_ONE:
            raise Unavailable("registry", "Too many calls wait for a change.", retry_after_s=RETRY_AFTER_S)
        self._waiting_of[caller] += 1
        WAITING.inc()
        try:
            return await self._wait(service, index, wait_s)
        finally:
            WAITING.dec()
            self._waiting_of[caller] -= 1
            if not self._waiting_of[caller]:
                del self._waiting_of[caller]

    async def _wait(self, service: str, index: int, wait_s: float) -> Answer:
        loop = asyncio.get_running_loop()
        end = loop.time() + wait_s
        while True:
            change = asyncio.Event()
            self._waiting[service].add(change)
            try:
                answer = await self._up_to(service, index)
                left_s = end - loop.time()
                if answer.index != index or left_s <= 0 or self.is_closing:
                    return answer
                await self._sleep(change, left_s, answer)
            finally:
                self._leave(service, change)

    async def _up_to(self, service: str, index: int) -> Answer:
        answer = await self._shared_read(service)
        if index > answer.index and answer.stale_s is None:
            self._invalidate(service)
            answer = await self._shared_read(service)
        if index > answer.index and answer.stale_s is not None:
            raise Unavailable(
                "registry",
                "Its database is away, and you know more than this process does.",
                retry_after_s=RETRY_AFTER_S,
            )
        return answer

    def refresh(self, service: str) -> None:
        """Start a read that nobody waits for."""
        task = asyncio.ensure_future(self._shared_read(service))
        self._refreshing.add(task)
        task.add_done_callback(self._refreshed)

    def wake(self, service: str) -> None:
        for change in self._waiting.get(service, ()):
            change.set()

    def wake_all(self) -> None:
        """Call it after a time in which changes may have been missed."""
        for service in list(self._waiting):
            self.wake(service)

    def close(self) -> None:
        """Answer every watcher now, and let no request wait any more."""
        self.is_closing = True
        self.wake_all()

    @property
    def watchers(self) -> int:
        return sum(len(changes) for changes in self._waiting.values())

    async def _sleep(self, change: asyncio.Event, left_s: float, answer: Answer) -> None:
        bounds = [left_s]
        if answer.valid_s is not None:
            bounds.append(max(answer.valid_s, 0.0) + AFTER_EXPIRY_S)
        if not self.is_listening or answer.stale_s is not None:
            bounds.append(READ_AGAIN_S)
        try:
            async with asyncio.timeout(min(bounds)):
                await change.wait()
        except TimeoutError:
            return

    async def _shared_read(self, service: str) -> Answer:
        """Join a read that has not begun yet. A read that is running may have missed the change."""
        task = self._next_read.get(service)
        if task is None or task.done():  # done: cancelled before it began
            task = asyncio.ensure_future(self._read_in_turn(service, self._running.get(service)))
            self._next_read[service] = task
        return await asyncio.shield(task)

    async def _read_in_turn(self, service: str, before: "asyncio.Task[Answer] | None") -> Answer:
        if before is not None:
            await asyncio.wait({before})
        read = self._running[service] = self._next_read.pop(service)
        try:
            return await self._read(service)
        finally:
            if self._running.get(service) is read:
                del self._running[service]

    def _refreshed(self, task: "asyncio.Task[Answer]") -> None:
        self._refreshing.discard(task)
        if not task.cancelled():
            task.exception()  # the next request reads again

    def _leave(self, service: str, change: asyncio.Event) -> None:
        changes = self._waiting[service]
        changes.discard(change)
        if not changes:
            del self._waiting[service]
