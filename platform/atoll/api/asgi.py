"""What stands between an ASGI server and Django: bounds on bodies, on threads and on waiting.

Django under ASGI writes a whole body to disk before any middleware runs, however large it is, and
gives every request a thread of its own, with a database connection of its own. ``door`` bounds both.
"""

import asyncio
from contextlib import asynccontextmanager
from typing import Any

from atoll import context, wire
from atoll.api.error_pages import answer, speaks_html
from atoll.api.errors import plain_problem
from atoll.api.middleware.page_headers import guard
from atoll.api.middleware.probes import PATHS as PROBES
from atoll.asgi import Application, Message, Receive, Scope, Send

MAX_LENGTH_DIGITS = 18
BODY_TIMEOUT_S = 30.0
# Bodies that are being read, of all requests together; a megabyte each would else be a gigabyte.
MAX_HELD_BYTES = 32 * 1024 * 1024
AT_ONCE = 8
WAITING = 64
PATIENCE_S = 10.0
RETRY_AFTER = {"Retry-After": "1"}


class Refused(Exception):
    """Answered here, before Django hears of it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def door(application: Application) -> Application:
    """Django's ASGI application, bounded."""
    return BodyLimited(AtOnce(application))


class BodyLimited:
    """Reads a body of at most ``max_bytes`` into memory, then calls the application.

    Answers 413 to more, declared or sent, 408 to one that is not whole after 30 seconds, 400 to one
    that breaks off, and 503 while too much is held of others.
    """

    def __init__(self, application: Application, max_bytes: int = wire.MAX_BYTES) -> None:
        self.application = application
        self.max_bytes = max_bytes
        self._held_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                await self._read(scope, receive, body)
        except (Refused, TimeoutError) as error:
            self._let_go(body)
            late = Refused(408, "The body did not come in time.")
            await _refuse(error if isinstance(error, Refused) else late, scope, send)
            return
        except BaseException:
            self._let_go(body)
            raise
        try:
            await self.application(scope, _replay(bytes(body), receive), send)
        finally:
            self._let_go(body)

    async def _read(self, scope: Scope, receive: Receive, body: bytearray) -> None:
        too_large = Refused(413, f"At most {self.max_bytes} bytes are read in one request.")
        if _declared_bytes(scope) > self.max_bytes:
            raise too_large
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                # The server says so for a body it cannot read, too.
                raise Refused(400, "The body ended early or is malformed.")
            piece = message.get("body", b"")
            if len(body) + len(piece) > self.max_bytes:
                raise too_large
            if self._held_bytes + len(piece) > MAX_HELD_BYTES:
                raise Refused(503, "Too many bodies are being read. Try again.")
            self._held_bytes += len(piece)
            body += piece
            more = message.get("more_body", False)

    def _let_go(self, body: bytearray) -> None:
        self._held_bytes -= len(body)
        body.clear()


class AtOnce:
    """At most ``most`` requests of each kind in the application, so at most as many threads and connections.

    Probes, static files and the rest are kinds of their own: none waits for another. 64 more of a
    kind wait in line, up to 10 seconds; the others get 503.
    """

    def __init__(self, application: Application, most: int = AT_ONCE) -> None:
        self.application = application
        self._free = {kind: asyncio.Semaphore(most) for kind in ("probe", "static", "page")}
        self._waiting = dict.fromkeys(self._free, 0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        try:
            async with self._place(_kind(scope["path"])):
                await self.application(scope, receive, send)
        except Refused as refused:
            await _refuse(refused, scope, send)

    @asynccontextmanager
    async def _place(self, kind: str) -> Any:
        if self._waiting[kind] >= WAITING:
            raise Refused(503, "Too many requests are waiting already. Try again.")
        self._waiting[kind] += 1
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._free[kind].acquire()
        except TimeoutError:
            raise Refused(503, "Too much is going on here. Try again.") from None
        finally:
            self._waiting[kind] -= 1
        try:
            yield
        finally:
            self._free[kind].release()


def _kind(path: str) -> str:
    if path in PROBES:
        return "probe"
    return "static" if path.startswith("/static/") else "page"


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body in one piece, then what the server has to say."""
    unread = [body]

    async def replay() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        return await receive()

    return replay


async def _refuse(refused: Refused, scope: Scope, send: Send) -> None:
    offered = _header(scope, b"x-correlation-id")
    with context.work(correlation_id=context.accept_correlation_id(offered.decode("latin-1"))):
        headers = RETRY_AFTER if refused.status == 503 else {}
        problem = plain_problem(refused.status, message=refused.message, headers=headers)
        response = answer(problem, as_html=speaks_html(scope["path"]))
        response["X-Correlation-ID"] = context.correlation_id() or ""
    guard(response, scope["path"])
    response["Connection"] = "close"
    fields = [(name.lower().encode(), value.encode()) for name, value in response.items()]
    await send({"type": "http.response.start", "status": response.status_code, "headers": fields})
    await send({"type": "http.response.body", "body": response.content})


def _declared_bytes(scope: Scope) -> int:
    declared = _header(scope, b"content-length")
    if not declared.isdigit():
        return 0
    return int(declared[: MAX_LENGTH_DIGITS + 1])


def _header(scope: Scope, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key.lower() == name), b"")
