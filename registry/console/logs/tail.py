"""New log lines for open pages, as server-sent events.

The files are read once a second for all pages of this process, and not at all without a page. The first
event of a page has its newest lines up to the place from which the reader goes on, so that no line is missed
or shown twice.
"""

import asyncio
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from atoll.api.errors import plain_problem
from atoll.asgi import Receive, Scope, Send
from atoll.dev.loglines import Line
from atoll.dev.logpages import newest
from atoll.dev.logtail import Follower
from atoll.errors import Unavailable
from registry.console import stream
from registry.console.logs import asked as filters
from registry.console.logs import rows, source
from registry.console.logs.views import SHOWN
from registry.http import messages
from registry.http.pools import BoundedPool

EVERY_S = 1.0
MAX_STREAMS = 30
# A page that takes lines too slowly, or asks for too many, misses the rest and says so.
MAX_WAITING_LINES = 500
MAX_QUERY_BYTES = 8_000


@dataclass(eq=False)
class _Watcher:
    """An open page. A thread adds lines, the event loop takes them."""

    asked: filters.Asked
    has_begun: bool = False
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _lines: list[Line] = field(default_factory=list)
    _left_out: int = 0

    def add(self, lines: Iterable[Line]) -> None:
        process = self.asked.values["process"]
        found = [line for line in lines if process in ("", line.name) and self.asked.wanted(line)]
        with self._lock:
            room = MAX_WAITING_LINES - len(self._lines)
            self._lines += found[:room]
            self._left_out += len(found[room:])

    def take(self) -> tuple[list[Line], int]:
        """The lines since the last call, and the number of lines that were dropped for want of room."""
        with self._lock:
            taken = self._lines, self._left_out
            self._lines, self._left_out = [], 0
        return taken


class Tails:
    """The open pages of logs of this process. ``pool`` reads files, renders and checks sessions."""

    def __init__(self, pool: BoundedPool, every_s: float = EVERY_S) -> None:
        self._pool = pool
        self._every_s = every_s
        self._watchers: set[_Watcher] = set()
        # Held while files are read, so that a page begins between two looks at them.
        self._reading = threading.Lock()
        self._follower: Follower | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._is_over = False

    @property
    def count(self) -> int:
        return len(self._watchers)

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the client leaves, its session ends, or this process drains."""
        headers = messages.headers(scope)
        refusal, asked = await self._asked(scope, headers)
        if asked is None:
            problem = plain_problem(refusal)
            await messages.write(send, problem.status, problem.response().content, {})
            return
        watcher = _Watcher(asked)
        self._watchers.add(watcher)
        try:
            begin = await self._pool.run(self._begin, watcher)
            await send({"type": "http.response.start", "status": 200, "headers": stream.HEADERS})
            if self._ticking is None:
                self._ticking = asyncio.ensure_future(self._tick())
            feeding = self._feed(watcher, begin, headers, send)
            with suppress(messages.Disconnected):
                await messages.unless_gone(feeding, receive)
        except Unavailable:
            problem = plain_problem(503)
            await messages.write(send, problem.status, problem.response().content, {})
        finally:
            self._watchers.discard(watcher)
            self._forget_place()

    def close(self) -> None:
        """End all streams, so that the process can stop."""
        self._is_over = True
        for watcher in self._watchers:
            watcher.woken.set()

    async def _asked(self, scope: Scope, headers: dict[str, str]) -> tuple[int, filters.Asked | None]:
        """The filters of a page that may be opened, or the status of the refusal."""
        if scope["method"] != "GET":
            return 405, None
        if self._is_over or self.count >= MAX_STREAMS:
            return 503, None
        query = scope.get("query_string", b"")
        if len(query) > MAX_QUERY_BYTES:
            return 400, None
        try:
            if not await self._pool.run(_may_read, headers):
                return 403, None
        except Unavailable:
            return 503, None
        try:
            values = dict(parse_qsl(query.decode("latin-1"), max_num_fields=50))
        except ValueError:
            return 400, None
        asked = filters.read(values, source.files())
        return (200, asked) if asked.is_live and asked.files else (400, None)

    def _begin(self, watcher: _Watcher) -> bytes:
        """The first event, with the newest lines up to the place of the reader. Runs in a thread."""
        with self._reading:
            if self._follower is None:
                self._follower = Follower(lambda: source.files().values())
            ends = self._follower.ends()
            watcher.has_begun = True
        asked = watcher.asked
        page = newest(asked.files, asked.wanted, SHOWN, since=asked.wanted.since, ends=ends)
        return _event("list", rows.list_of(page, asked))

    async def _feed(self, watcher: _Watcher, begin: bytes, headers: dict[str, str], send: Send) -> None:
        loop = asyncio.get_running_loop()
        await send({"type": "http.response.body", "body": begin, "more_body": True})
        check_due = loop.time() + stream.CHECK_SESSION_EVERY_S
        while not self._is_over:
            await watcher.woken.wait()
            watcher.woken.clear()
            lines, left_out = watcher.take()
            try:
                if loop.time() >= check_due:
                    check_due = loop.time() + stream.CHECK_SESSION_EVERY_S
                    if not await self._pool.run(_may_read, headers):
                        break
                body = b"event: alive\ndata: .\n\n"
                if lines or left_out:
                    body = _event("lines", await self._pool.run(rows.items, lines, watcher.asked, left_out))
            except Unavailable:
                # The page opens another stream, which begins with all of the newest lines.
                break
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _tick(self) -> None:
        """Read the files until no page is open."""
        while self._watchers and not self._is_over:
            with suppress(Unavailable):
                await self._pool.run(self._read_on)
            for watcher in self._watchers:
                watcher.woken.set()
            await asyncio.sleep(self._every_s)
        self._ticking = None
        self._forget_place()

    def _forget_place(self) -> None:
        """Without a page nothing is read, so the next page begins at the ends of then."""
        if not self._watchers and self._ticking is None:
            self._follower = None

    def _read_on(self) -> None:
        """Give each page its new lines. Runs in a thread."""
        with self._reading:
            if self._follower is None:
                return
            watchers = [watcher for watcher in list(self._watchers) if watcher.has_begun]
            lines = self._follower.fresh()
        for watcher in watchers:
            watcher.add(lines)


def _may_read(headers: dict[str, str]) -> bool:
    user = stream.staff_of(headers)
    return user is not None and source.may_read(user)


def _event(name: str, html: str) -> bytes:
    return f"event: {name}\n".encode() + stream.event(html)
