"""Requests that wait for a change, none of them in a thread."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable

from registry.selectors import Answer

# While changes cannot be heard (the listening connection is down), they are looked for.
LOOK_AGAIN_S = 1.0
AFTER_EXPIRY_S = 0.02


class Hub:
    """Parks watchers of a service until `wake`, until a lease in their answer may have run out,
    or until their time is up. Everything runs in one event loop; ``look`` reads the database.

    No wake-up is lost: a watcher enlists before it looks, so a change is either in what it
    sees or wakes it afterwards.
    """

    def __init__(self, look: Callable[[str], Awaitable[Answer]]) -> None:
        self._look = look
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._next_look: dict[str, asyncio.Task[Answer]] = {}
        self._looking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.is_listening = False
        self.is_closing = False

    async def answer(self, service: str, *, index: int = 0, wait_s: float = 0.0) -> Answer:
        """At once when ``index`` is 0 or not the current one (also when it is higher: the
        registry lost its memory), else when the index moves or ``wait_s`` is over."""
        if not index or wait_s <= 0:
            return await self._shared_look(service)
        loop = asyncio.get_running_loop()
        end = loop.time() + wait_s
        while True:
            change = asyncio.Event()
            self._waiting[service].add(change)
            try:
                answer = await self._shared_look(service)
                left_s = end - loop.time()
                if answer.index != index or left_s <= 0 or self.is_closing:
                    return answer
                await self._sleep(change, left_s, answer)
            finally:
                self._leave(service, change)

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
        if not self.is_listening:
            bounds.append(LOOK_AGAIN_S)
        try:
            async with asyncio.timeout(min(bounds)):
                await change.wait()
        except TimeoutError:
            return

    async def _shared_look(self, service: str) -> Answer:
        """Joins a look that has not begun yet: one already under way may have missed the change."""
        task = self._next_look.get(service)
        if task is None:
            task = asyncio.ensure_future(self._look_in_turn(service))
            self._next_look[service] = task
        return await asyncio.shield(task)

    async def _look_in_turn(self, service: str) -> Answer:
        async with self._looking[service]:
            del self._next_look[service]
            return await self._look(service)

    def _leave(self, service: str, change: asyncio.Event) -> None:
        changes = self._waiting[service]
        changes.discard(change)
        if not changes:
            del self._waiting[service]
