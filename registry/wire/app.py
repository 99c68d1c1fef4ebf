"""The ASGI application of the registry: its calls, and Django for everything else."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from django.conf import settings

from atoll import context, metrics, wire
from atoll.api.errors import describe, plain_problem
from registry.usecases.credentials import InvalidCredential
from registry.usecases.discover import discover as look_up
from registry.wire import calls, database, messages
from registry.wire.hub import Hub
from registry.wire.listener import Listener
from registry.wire.messages import Disconnected, Receive, Request, Response, Scope, Send

logger = logging.getLogger("atoll.access")

Call = Callable[[Request], Awaitable[Response]]
CHALLENGE = 'Basic realm="registry", charset="UTF-8"'
DISCOVER = "/discover/"
WRITES: dict[str, Call] = {
    "/register": calls.register,
    "/heartbeat": calls.heartbeat,
    "/deregister": calls.deregister,
}


class RegistryApplication:
    def __init__(self, django: Callable[[Scope, Any, Any], Awaitable[None]]) -> None:
        self._django = django
        self.hub = Hub(lambda service: database.run(look_up, service))
        self._listener: Listener | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http" and (route := _route(scope["path"])):
            await self._answer(route, scope, receive, send)
        else:
            await self._django(scope, receive, send)

    def start(self) -> None:
        """Starts hearing of changes; call it in the event loop that serves."""
        loop = asyncio.get_running_loop()

        def in_loop(function: Callable[..., None]) -> Callable[..., None]:
            return lambda *args: _call_soon(loop, function, *args)

        self._listener = Listener(
            on_change=in_loop(self.hub.wake),
            on_listening=in_loop(self._set_listening),
            on_draining=in_loop(self.hub.close),
        )
        self._listener.start()

    async def stop(self) -> None:
        if self._listener is not None:
            await asyncio.to_thread(self._listener.stop)
            self._listener = None
        await asyncio.to_thread(database.close)

    def _set_listening(self, is_listening: bool) -> None:
        self.hub.is_listening = is_listening
        self.hub.wake_all()

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self.start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _answer(self, route: str, scope: Scope, receive: Receive, send: Send) -> None:
        begun = time.monotonic()
        offered = messages.headers(scope)
        with context.work(correlation_id=context.accept_correlation_id(offered.get("x-correlation-id"))):
            try:
                response = await self._respond(scope, receive)
            except Disconnected:
                return
            took_s = time.monotonic() - begun
            await messages.write(
                send,
                response.status,
                wire.dumps(response.body),
                response.headers | self._told(offered, took_s),
            )
        metrics.observe_request(scope["method"], route, response.status, took_s)
        level = logging.DEBUG if response.status < 400 else logging.WARNING
        logger.log(
            level,
            "request",
            extra={
                "method": scope["method"],
                "route": route,
                "status": response.status,
                "duration_ms": round(took_s * 1000, 1),
            },
        )

    def _told(self, offered: dict[str, str], took_s: float) -> dict[str, str]:
        return {
            "X-Correlation-ID": context.correlation_id() or "",
            "X-Request-ID": context.accept_correlation_id(offered.get("x-request-id")),
            "X-Response-Time": f"{took_s * 1000:.1f}",
            "X-Service-Name": settings.ATOLL_SERVICE,
        }

    async def _respond(self, scope: Scope, receive: Receive) -> Response:
        try:
            request = await messages.read(scope, receive)
            return await self._dispatch(request, receive)
        except Disconnected:
            raise
        except Exception as error:
            problem = describe(error)
            if problem is None:
                logging.getLogger("registry").exception("a call failed")
                problem = plain_problem(500)
            challenge = {"WWW-Authenticate": CHALLENGE} if isinstance(error, InvalidCredential) else {}
            return Response(problem.body(), problem.status, problem.headers | challenge)

    async def _dispatch(self, request: Request, receive: Receive) -> Response:
        allowed = "POST" if request.path in WRITES else "GET"
        if request.method != allowed:
            problem = plain_problem(405, headers={"Allow": allowed})
            return Response(problem.body(), problem.status, problem.headers)
        if request.path in WRITES:
            return await WRITES[request.path](request)
        if request.path == "/services":
            return await calls.services(request)
        answering = calls.discover(request, self.hub, request.path.removeprefix(DISCOVER))
        return await _unless_gone(answering, receive)


def _route(path: str) -> str | None:
    """The call's pattern, for figures and logs; None when Django answers."""
    if path in WRITES or path == "/services":
        return path
    return "/discover/<service>" if path.startswith(DISCOVER) else None


async def _unless_gone(answering: Awaitable[Response], receive: Receive) -> Response:
    """The answer; raises Disconnected, and stops waiting, when the client leaves first."""
    answer = asyncio.ensure_future(answering)
    gone = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise Disconnected
        return answer.result()
    finally:
        for task in (answer, gone):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


def _call_soon(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *args: Any) -> None:
    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(function, *args)
