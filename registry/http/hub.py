"""Requests that wait for a change, none of them in a thread."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable

from atoll.errors import Unavailable
from registry.http.figures import WAITING
from registry.selectors import Answer

# While changes cannot be heard (the listening connection is down), or could not be read, they
# are looked for.
LOOK_AGAIN_S = 1.0
AFTER_EXPIRY_S = 0.02
# Calls that wait: of everybody together, and of one credential (a process waits once per service).
MAX_WAITING = 4000
MAX_WAITING_OF_ONE = 1000
RETRY_AFTER_S = 5.0


class Hub:
    """Parks watchers of a service until `wake`, until a lease in their answer may have run out,
    or until their time is up. Everything runs in one event loop; ``look`` reads the database.

    No wake-up is lost: a watcher enlists before it looks, so a change is either in what it
    sees or wakes it afterwards.
    """

    def __init__(
        self, look: Callable[[str], Awaitable[Answer]], mark: Callable[[str], None] = lambda service: None
    ) -> None:
        self._look = look
        self._mark = mark
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._next_look: dict[str, asyncio.Task[Answer]] = {}
        self._looking: dict[str, asyncio.Task[Answer]] = {}
        self._waiting_of: Counter[str] = Counter()
        self._refreshing: set[asyncio.Task[Answer]] = set()
        self.is_listening = False
        self.is_closing = False

    async def answer(self, service: str, *, index: int = 0, wait_s: float = 0.0, caller: str = "") -> Answer:
        """At once when ``index`` is 0 or not the current one, else when the index moves or
        ``wait_s`` is over.

        An index above the current one: another process of the registry is ahead, or the registry
        lost its memory. The database is asked which; while it is away, this raises Unavailable, as
        it does when `MAX_WAITING` calls wait already, or `MAX_WAITING_OF_ONE` of this caller.
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
        answer = await self._shared_look(service)
        if index > answer.index and answer.stale_s is None:
            self._mark(service)
            answer = await self._shared_look(service)
        if index > answer.index and answer.stale_s is not None:
            raise Unavailable(
                "registry",
                "Its database is away, and you know more than this process does.",
                retry_after_s=RETRY_AFTER_S,
            )
        return answer

    def refresh(self, service: str) -> None:
        """Looks again without anybody waiting for it."""
        task = asyncio.ensure_future(self._shared_look(service))
        self._refreshing.add(task)
        task.add_done_callback(self._refreshed)

    def wake(self, service: str) -> None:
        for change in self._waiting.get(service, ()):
            change.set()

    def wake_all(self) -> None:
        """After a time in which changes may have gone unheard."""
        for service in list(self._waiting):
            self.wake(service)

    def close(self) -> None:
        """Answers everyone who waits; from now on nobody does."""
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
            bounds.append(LOOK_AGAIN_S)
        try:
            async with asyncio.timeout(min(bounds)):
                await change.wait()
        except TimeoutError:
            return

    async def _shared_look(self, service: str) -> Answer:
        """Joins a look that has not begun yet: one already under way may have missed the change."""
        task = self._next_look.get(service)
        if task is None or task.done():  # done: cancelled before it began
            task = asyncio.ensure_future(self._look_in_turn(service, self._looking.get(service)))
            self._next_look[service] = task
        return await asyncio.shield(task)

    async def _look_in_turn(self, service: str, before: "asyncio.Task[Answer] | None") -> Answer:
        if before is not None:
            await asyncio.wait({before})
        look = self._looking[service] = self._next_look.pop(service)
        try:
            return await self._look(service)
        finally:
            if self._looking.get(service) is look:
                del self._looking[service]

    def _refreshed(self, task: "asyncio.Task[Answer]") -> None:
        self._refreshing.discard(task)
        if not task.cancelled():
            task.exception()  # a look that failed is repeated by whoever needs it

    def _leave(self, service: str, change: asyncio.Event) -> None:
        changes = self._waiting[service]
        changes.discard(change)
        if not changes:
            del self._waiting[service]
