"""The ASGI application of the registry: its calls, and Django for everything else."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError

from atoll import context, metrics, wire
from atoll.api.errors import describe, plain_problem
from atoll.asgi import Receive, Scope, Send
from atoll.errors import Unavailable
from registry.console.figures.collector import Collector
from registry.console.logs.tail import Tails
from registry.console.logs.views import STREAM as LOGS
from registry.console.stream import PATH as STREAMS
from registry.console.stream import Streams
from registry.http import messages, pools
from registry.http.auth import Doorkeeper
from registry.http.beats import Beats, Flusher
from registry.http.calls import DISCOVER, Calls
from registry.http.credentials import CredentialCache
from registry.http.failing import FailingCall
from registry.http.hub import Hub
from registry.http.limits import Limits
from registry.http.listener import Listener
from registry.http.messages import Disconnected, Request, Response
from registry.http.metrics import LEFT, REFUSED, InstanceCollector
from registry.http.spans import SpansCall
from registry.http.state import RegistryState
from registry.http.wrong_credentials import WrongCredentials
from registry.notifications.notifier import Notifier
from registry.selectors import Answer, service_names
from registry.traces.batch import MAX_BODY_BYTES as MAX_BATCH_BYTES
from registry.traces.store import SpanStore
from registry.usecases.credentials import InvalidCredential, active_credentials
from registry.usecases.discover import discover as look_up

logger = logging.getLogger("atoll.access")

Call = Callable[[Request, Receive], Awaitable[Response]]
SPANS, FAILING = "/spans", "/failing"
CHALLENGE = 'Basic realm="registry", charset="UTF-8"'
# Metrics count every refusal. The log shows so many a second, since a flood would fill the disk.
MAX_LOGGED_PER_S = 5


class RegistryApplication:
    def __init__(self, django: Callable[[Scope, Any, Any], Awaitable[None]]) -> None:
        self._django = django
        self.credentials = CredentialCache(lambda: pools.READS.run(active_credentials))
        self.wrong_credentials = WrongCredentials()
        self.beats = Beats()
        self.state = RegistryState(lambda service: pools.READS.run(self._read, service), self.beats)
        self.hub = Hub(self.state.answer, self.state.invalidate)
        self.limits = Limits()
        self._streams = Streams(pools.CONSOLE)
        self._tails = Tails(pools.LOGS)
        door = Doorkeeper(self.credentials, self.wrong_credentials)
        calls = Calls(door, self.limits, self.hub, self.state)
        self._writes: dict[str, Call] = {
            "/heartbeat": calls.heartbeat,
            "/register": calls.register,
            "/deregister": calls.deregister,
            SPANS: SpansCall(door, self.limits, SpanStore()),
            FAILING: FailingCall(door, self.limits, self._streams.hurry),
        }
        self._reads: dict[str, Call] = {"/services": calls.services, DISCOVER: calls.discover}
        self._listener: Listener | None = None
        self._flusher: Flusher | None = None
        self._instances = InstanceCollector(self.state.count_by_status)
        self._collector: Collector | None = None
        self._notifier: Notifier | None = None
        self._learning: asyncio.Task[None] | None = None
        self._logged = (0, 0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http" and (route := self._route(scope["path"])):
            await self._answer(route, scope, receive, send)
        elif scope["type"] == "http" and scope["path"] == LOGS:
            await self._tails.answer(scope, receive, send)
        elif scope["type"] == "http" and scope["path"].startswith(STREAMS):
            await self._streams.answer(scope, receive, send)
        else:
            await self._django(scope, receive, send)

    def start(self) -> None:
        """Start to listen for changes. Call it in the event loop that serves."""
        loop = asyncio.get_running_loop()

        def in_loop(function: Callable[..., None]) -> Callable[..., None]:
            return lambda *args: _call_soon(loop, function, *args)

        self._listener = Listener(
            on_change=in_loop(self._changed),
            on_credentials=in_loop(self.credentials.change),
            on_listening=in_loop(self._set_listening),
            on_draining=in_loop(self._drain),
            used_credentials=self.credentials.take_used,
        )
        self._listener.start()
        self._flusher = Flusher(self.beats)
        self._flusher.start()
        metrics.SERVICE.register(self._instances)
        if settings.REGISTRY_COLLECTS:
            self._collector = Collector()
            self._collector.start()
            self._notifier = Notifier()
            self._notifier.start()

    async def stop(self) -> None:
        """Write the heartbeats that were accepted, then end the threads."""
        self._streams.close()
        self._tails.close()
        if self._collector is not None:
            await asyncio.to_thread(self._collector.stop)
            self._collector = None
        if self._notifier is not None:
            await asyncio.to_thread(self._notifier.stop)
            self._notifier = None
        if self._listener is not None:
            metrics.SERVICE.unregister(self._instances)
            await asyncio.to_thread(self._listener.stop)
            self._listener = None
        if self._flusher is not None:
            await asyncio.to_thread(self._flusher.stop)
            self._flusher = None
        await asyncio.to_thread(pools.close)

    def _drain(self) -> None:
        self.hub.close()
        self._streams.close()
        self._tails.close()

    def _set_listening(self, is_listening: bool) -> None:
        self.state.invalidate_all()
        self.state.is_listening = self.hub.is_listening = is_listening
        self.hub.wake_all()
        self.credentials.listen(is_listening)
        if is_listening:
            self._learning = asyncio.ensure_future(self._learn_all())

    async def _learn_all(self) -> None:
        """Read every service into memory, so that the registry can answer while the database is away."""
        with suppress(Unavailable, OperationalError, InterfaceError):
            for service in await pools.READS.run(service_names):
                await self.hub.answer(service)

    def _changed(self, service: str) -> None:
        self.state.invalidate(service)
        self.hub.wake(service)
        self.hub.refresh(service)

    def _read(self, service: str) -> Answer:
        """The answer of the database, after it has the heartbeats that were accepted here."""
        self.beats.flush()
        return look_up(service)

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

    def _route(self, path: str) -> str | None:
        """The path's pattern for metrics and logs. None when Django answers."""
        if path in self._writes or path == "/services":
            return path
        return DISCOVER if path.startswith(DISCOVER) else None

    async def _answer(self, route: str, scope: Scope, receive: Receive, send: Send) -> None:
        begun = time.monotonic()
        offered = messages.headers(scope)
        with context.work(correlation_id=context.accept_correlation_id(offered.get("x-correlation-id"))):
            try:
                response = await self._respond(route, scope, offered, receive)
            except Disconnected:
                LEFT.inc()
                return
            took_s = time.monotonic() - begun
            await messages.write(
                send,
                response.status,
                wire.dumps(response.body),
                response.headers | _ours(offered, took_s),
            )
            self._log(scope["method"], route, response.status, took_s)

    async def _respond(self, route: str, scope: Scope, offered: dict[str, str], receive: Receive) -> Response:
        method, call = ("POST", self._writes[route]) if route in self._writes else ("GET", self._reads[route])
        if scope["method"] != method:
            problem = plain_problem(405, headers={"Allow": method})
            return Response(problem.body(), problem.status, problem.headers)
        try:
            most = MAX_BATCH_BYTES if route in (SPANS, FAILING) else messages.MAX_BODY_BYTES
            return await call(messages.read(scope, offered, most), receive)
        except Disconnected:
            raise
        except Exception as error:
            described = describe(error)
            if described is None:
                logging.getLogger("registry").exception("a call failed")
            problem = described or plain_problem(500)
            REFUSED.labels(problem.code).inc()
            challenge = {"WWW-Authenticate": CHALLENGE} if isinstance(error, InvalidCredential) else {}
            return Response(problem.body(), problem.status, problem.headers | challenge)

    def _log(self, method: str, route: str, status: int, took_s: float) -> None:
        metrics.observe_request(method, _pattern(route), status, took_s)
        if status < 400:
            level = logging.DEBUG
        else:
            second, count = int(time.monotonic()), 0
            if self._logged[0] == second:
                count = self._logged[1]
            self._logged = second, count + 1
            level = logging.WARNING if count < MAX_LOGGED_PER_S else logging.DEBUG
        if logger.isEnabledFor(level):
            fields = {"method": method, "route": _pattern(route), "status": status}
            logger.log(level, "request", extra=fields | {"duration_ms": round(took_s * 1000, 1)})


def _pattern(route: str) -> str:
    return "/discover/<service>" if route == DISCOVER else route


def _ours(offered: dict[str, str], took_s: float) -> dict[str, str]:
    return {
        "X-Correlation-ID": context.correlation_id() or "",
        "X-Request-ID": context.accept_correlation_id(offered.get("x-request-id")),
        "X-Response-Time": f"{took_s * 1000:.1f}",
        "X-Service-Name": settings.ATOLL_SERVICE,
    }


def _call_soon(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *args: Any) -> None:
    with suppress(RuntimeError):  # the loop is closed, so nobody waits
        loop.call_soon_threadsafe(function, *args)
