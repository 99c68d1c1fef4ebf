"""Limits between an ASGI server and Django: on the size of bodies and on concurrent requests.

Under ASGI, Django writes a whole body to disk before any middleware runs, whatever its size, and gives
every request a thread and a database connection of its own. `bounded` limits both.
"""

import asyncio
from contextlib import asynccontextmanager
from typing import Any

from atoll import context, wire
from atoll.api.error_pages import answer
from atoll.api.errors import plain_problem
from atoll.api.middleware.page_headers import guard
from atoll.api.middleware.probes import PATHS as PROBES
from atoll.asgi import Application, Message, Receive, Scope, Send

MAX_LENGTH_DIGITS = 18
BODY_TIMEOUT_S = 30.0
# Of the bodies of all requests together. A thousand bodies of a megabyte would be a gigabyte.
MAX_HELD_BYTES = 32 * 1024 * 1024
MAX_CONCURRENT = 8
MAX_WAITING = 64
MAX_WAIT_S = 10.0
RETRY_AFTER = {"Retry-After": "1"}


class Refused(Exception):
    """The request is refused before it reaches Django."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def bounded(application: Application) -> Application:
    """Django's ASGI application behind both limits."""
    return BodyLimited(ConcurrencyLimited(application))


class BodyLimited:
    """Reads a body of at most ``max_bytes`` into memory, then calls the application.

    Answers 413 when a longer body is declared or sent, 408 when the body is not complete after
    BODY_TIMEOUT_S, 400 when it breaks off, and 503 when the bodies of all requests together would exceed
    MAX_HELD_BYTES.
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
            self._release(body)
            late = Refused(408, "The body did not come in time.")
            await _refuse(error if isinstance(error, Refused) else late, scope, send)
            return
        except BaseException:
            self._release(body)
            raise
        try:
            await self.application(scope, _replay(bytes(body), receive), send)
        finally:
            self._release(body)

    async def _read(self, scope: Scope, receive: Receive, body: bytearray) -> None:
        too_large = Refused(413, f"At most {self.max_bytes} bytes are read in one request.")
        if _declared_bytes(scope) > self.max_bytes:
            raise too_large
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                # The server also sends it for a body that it cannot read.
                raise Refused(400, "The body ended early or is malformed.")
            piece = message.get("body", b"")
            if len(body) + len(piece) > self.max_bytes:
                raise too_large
            if self._held_bytes + len(piece) > MAX_HELD_BYTES:
                raise Refused(503, "Too many bodies are being read. Try again.")
            self._held_bytes += len(piece)
            body += piece
            more = message.get("more_body", False)

    def _release(self, body: bytearray) -> None:
        self._held_bytes -= len(body)
        body.clear()


class ConcurrencyLimited:
    """Lets at most ``most`` requests of each kind into the application, so as many threads and connections.

    The kinds are probes, static files and pages; no kind waits for another. MAX_WAITING more requests of
    a kind wait for at most MAX_WAIT_S. Other requests get 503.
    """

    def __init__(self, application: Application, most: int = MAX_CONCURRENT) -> None:
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
        if self._waiting[kind] >= MAX_WAITING:
            raise Refused(503, "Too many requests are waiting already. Try again.")
        self._waiting[kind] += 1
        try:
            async with asyncio.timeout(MAX_WAIT_S):
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
    """Receive the body in one piece, then the further messages of the server."""
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
        response = answer(problem, path=scope["path"])
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
