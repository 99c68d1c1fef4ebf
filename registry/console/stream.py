"""Server-sent events for pages that refresh themselves (HTML standard, "Server-sent events").

All streams of a page share one rendering a tick; without a stream nothing is rendered. A stream holds no
thread. It ends with its session, which is checked again and again.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from atoll.admin import site
from atoll.api.errors import plain_problem
from atoll.asgi import Receive, Scope, Send
from atoll.errors import Unavailable
from atoll.identity.oidc.sessions import user_of
from registry.http import messages
from registry.http.pools import BoundedPool

PATH = "/console/stream/"
EVERY_S = 3.0
# News shortens the wait, down to this.
AT_MOST_EVERY_S = 1.0
# As often as a process reads the list of ended sign-ins.
CHECK_SESSION_EVERY_S = 1.5
MAX_STREAMS = 100
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-accel-buffering", b"no"),
]

Fragment = Callable[[], str]
_fragments: dict[str, Fragment] = {}


def register_fragment(page: str, render: Fragment) -> None:
    """Let a page refresh itself from ``/console/stream/PAGE``. ``render`` gives the HTML of its ``#live``.

    It runs in a thread, for all viewers at once, so it must not depend on the viewer.
    """
    _fragments[page] = render


def staff_of(headers: dict[str, str]) -> Any:
    """The account of the session that the cookies name; None unless it is staff and its sign-in goes on.

    Reads the database.
    """
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return None
    if cookie is None:
        return None
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(cookie.value)
    request.user = user_of(request)
    return request.user if site.has_permission(request) else None


def is_staff(headers: dict[str, str]) -> bool:
    """Whether the cookies are those of a session of staff. Reads the database."""
    return staff_of(headers) is not None


class Streams:
    """The streams of this process. ``pool`` runs renderings and checks of sessions."""

    def __init__(self, pool: BoundedPool, every_s: float = EVERY_S) -> None:
        self._pool = pool
        self._every_s = every_s
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._newest: dict[str, bytes] = {}
        self._ticking: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._is_over = False

    @property
    def count(self) -> int:
        return sum(map(len, self._waiting.values()))

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the client leaves, its session ends, or this process drains."""
        page = scope["path"].removeprefix(PATH)
        headers = messages.headers(scope)
        refusal = await self._refusal(scope["method"], page, headers)
        if refusal:
            problem = plain_problem(refusal)
            await messages.write(send, problem.status, problem.response().content, {})
            return
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        woken = asyncio.Event()
        self._waiting.setdefault(page, set()).add(woken)
        if self._ticking is None:
            self._ticking = asyncio.ensure_future(self._tick())
        feeding = self._feed(page, woken, headers, send)
        try:
            with suppress(messages.Disconnected):
                await messages.unless_gone(feeding, receive)
        finally:
            self._waiting[page].discard(woken)

    def hurry(self) -> None:
        """There is news: render soon. Call it in the event loop."""
        self._news.set()

    def close(self) -> None:
        """End all streams, so that the process can stop. Browsers open them anew elsewhere."""
        self._is_over = True
        for events in self._waiting.values():
            for woken in events:
                woken.set()

    async def _refusal(self, method: str, page: str, headers: dict[str, str]) -> int | None:
        if method != "GET":
            return 405
        if page not in _fragments:
            return 404
        if self._is_over or self.count >= MAX_STREAMS:
            return 503
        try:
            return None if await self._pool.run(is_staff, headers) else 403
        except Unavailable:
            return 503

    async def _feed(self, page: str, woken: asyncio.Event, headers: dict[str, str], send: Send) -> None:
        loop = asyncio.get_running_loop()
        check_due = loop.time() + CHECK_SESSION_EVERY_S
        while not self._is_over:
            await woken.wait()
            woken.clear()
            if loop.time() >= check_due:
                check_due = loop.time() + CHECK_SESSION_EVERY_S
                try:
                    if not await self._pool.run(is_staff, headers):
                        break
                except Unavailable:
                    continue
            body = self._newest.get(page, b": nothing yet\n\n")
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _tick(self) -> None:
        """Render each page that has a stream, until none has."""
        while self.count and not self._is_over:
            self._news.clear()
            for page, events in list(self._waiting.items()):
                if not events:
                    continue
                try:
                    html = await self._pool.run(_fragments[page])
                    self._newest[page] = event(html)
                except Exception:
                    # The page shows the age of what it has.
                    self._newest[page] = b": no figures\n\n"
                for woken in events:
                    woken.set()
            await self._until_next()
        self._ticking = None

    async def _until_next(self) -> None:
        least_s = min(self._every_s, AT_MOST_EVERY_S)
        await asyncio.sleep(least_s)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._every_s - least_s):
                await self._news.wait()


def event(html: str) -> bytes:
    lines = "".join(f"data: {line}\n" for line in html.splitlines())
    return f"{lines}\n".encode()
