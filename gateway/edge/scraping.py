"""The text of /metrics, made at most a few times a second: a flood of scrapes costs no more than one."""

import asyncio
from collections.abc import Awaitable, Callable

FRESH_S = 0.2

Scrape = Callable[[], Awaitable[bytes]]


class Scraping:
    """Needs a running event loop when it is asked."""

    def __init__(self, scrape: Scrape) -> None:
        self._scrape = scrape
        self._task: asyncio.Task[bytes] | None = None
        self._began = 0.0

    async def text(self) -> bytes:
        """At most FRESH_S old. Raises the errors of the scrape."""
        loop = asyncio.get_running_loop()
        if self._task is None or (self._task.done() and loop.time() - self._began > FRESH_S):
            self._began = loop.time()
            self._task = loop.create_task(self._run())
        return await asyncio.shield(self._task)

    async def _run(self) -> bytes:
        return await self._scrape()
