"""The edge's end of its line to the parent process: JSON messages, one a line, over a socket pair.

The parent sends routing tables and orders; the edge sends samples of its request log and its metrics.
"""

import asyncio
import itertools
import json
import logging
from collections.abc import Callable
from typing import Any

from gateway.edge.request_log import Entry

log = logging.getLogger(__name__)

Message = dict[str, Any]
MAX_UNSENT_BYTES = 8 * 1024 * 1024
SCRAPE_TIMEOUT_S = 2.0


class Feed(asyncio.Protocol):
    """``on_message`` gets each message of the parent. ``on_end`` is called when the parent has gone."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_message: Callable[[Message], None],
        on_end: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._on_message = on_message
        self._on_end = on_end
        self._transport: asyncio.Transport | None = None
        self._unread = b""
        self._ids = itertools.count(1)
        self._asked: dict[int, asyncio.Future[bytes]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if message["type"] == "scraped":
                self._answer(message)
            else:
                self._on_message(message)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._on_end()

    def send(self, message: Message) -> None:
        """Raises OSError when the parent has gone or does not read."""
        if self._transport is None or self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            raise OSError("the parent process takes no messages")
        self._transport.write(json.dumps(message).encode() + b"\n")

    def store(self, batch: list[Entry]) -> None:
        """Give a sample of the request log to the parent. May be called from any thread."""
        self._loop.call_soon_threadsafe(self.send_if_possible, {"type": "entries", "entries": batch})

    async def scrape(self) -> bytes:
        """The metrics of all edge processes, in the text of Prometheus. Raises OSError and TimeoutError."""
        number = next(self._ids)
        self._asked[number] = self._loop.create_future()
        try:
            self.send({"type": "scrape", "id": number})
            async with asyncio.timeout(SCRAPE_TIMEOUT_S):
                return await self._asked[number]
        finally:
            del self._asked[number]

    def _answer(self, message: Message) -> None:
        waiting = self._asked.get(message["id"])
        if waiting is not None and not waiting.done():
            waiting.set_result(message["text"].encode())

    def send_if_possible(self, message: Message) -> None:
        """Like `send`, but a message that the parent does not take is lost."""
        try:
            self.send(message)
        except OSError as error:
            log.debug("%s", error)
