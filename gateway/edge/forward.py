"""Forwards one request to a service and streams both bodies."""

import asyncio
from collections.abc import Callable

from atoll.client.failures import TimedOut, UpstreamFailure
from gateway.edge import headers
from gateway.edge.bodies import Body, open_body, pump
from gateway.edge.error_responses import timed_out, unavailable
from gateway.edge.exchange import Exchange
from gateway.edge.link_rewriting import LinkRewriter
from gateway.edge.routes.routing import CompiledRoute
from gateway.edge.upstream.connection import Connection
from gateway.edge.upstream.directory import Upstream
from gateway.edge.upstream.dispatch import Answer, Call, Dispatcher
from gateway.edge.upstream.failures import ClientGone

SERVICE_NAME = b"api-gateway"


class Forwarder:
    def __init__(self, dispatcher: Dispatcher, loop: asyncio.AbstractEventLoop) -> None:
        self._dispatcher = dispatcher
        self._loop = loop

    async def forward(self, exchange: Exchange, route: CompiledRoute, upstream: Upstream) -> None:
        """Answer the client with the service's answer. Raises ErrorResponse and ClientGone."""
        settings = route.route
        body = await open_body(exchange, settings.max_body_bytes)
        tasks: list[asyncio.Task[None]] = []
        call = Call(
            service=upstream.name,
            method=exchange.method,
            target=_target(exchange, route),
            fields=_fields(exchange, body),
            timeout_s=settings.timeout_s,
            has_key=b"idempotency-key" in exchange.fields,
        )
        if body is None or body.whole:
            call.body = body.first if body is not None else b""
            call.on_slow = self._watcher(exchange, tasks)
        else:
            streamed = body
            call.stream = lambda connection: tasks.append(
                self._loop.create_task(
                    pump(
                        exchange,
                        streamed,
                        connection,
                        limit_bytes=settings.max_body_bytes,
                        timeout_s=settings.timeout_s,
                    )
                )
            )
        try:
            await self._exchange(exchange, route, upstream, call)
        finally:
            for task in tasks:
                task.cancel()

    def _watcher(self, exchange: Exchange, tasks: list[asyncio.Task[None]]) -> Callable[[Connection], None]:
        """Watches for a client that leaves during any attempt. A quick answer needs no watcher."""
        slow: list[Connection] = []

        def on_slow(connection: Connection) -> None:
            slow.append(connection)
            if not tasks:
                tasks.append(self._loop.create_task(watch_client(exchange, slow)))

        return on_slow

    async def _exchange(
        self, exchange: Exchange, route: CompiledRoute, upstream: Upstream, call: Call
    ) -> None:
        try:
            answer = await self._dispatcher.ask(upstream, call)
        except TimedOut:
            raise timed_out(upstream.name, call.timeout_s) from None
        except UpstreamFailure as failure:
            raise unavailable(upstream.name, f"{upstream.name} cannot be reached: {failure}.") from failure
        exchange.retries = answer.retries
        exchange.instance = answer.endpoint.id
        failure_: BaseException | None = None
        try:
            await self._relay(exchange, route, answer, call.timeout_s)
        except BaseException as error:
            failure_ = error
            raise
        finally:
            answer.finish(failure_)

    async def _relay(
        self, exchange: Exchange, route: CompiledRoute, answer: Answer, timeout_s: float
    ) -> None:
        connection = answer.connection
        kept = headers.to_client(connection.headers)
        LinkRewriter(route, answer.endpoint.origin.authority).rewrite(kept)
        await exchange.start(connection.status, kept)
        data = connection.take()
        while not connection.complete:
            if data:
                await exchange.body(data, more=True)
            connection.deadline = self._loop.time() + timeout_s
            data = await connection.read()
        while data:
            rest = connection.take()
            await exchange.body(data, more=bool(rest))
            if not rest:
                return
            data = rest
        await exchange.body(b"", more=False)


async def watch_client(exchange: Exchange, connections: list[Connection]) -> None:
    """Wait until the client has gone, then end the exchange on the last of ``connections``."""
    while (await exchange.receive())["type"] != "http.disconnect":
        pass
    connections[-1].fail(ClientGone())


def _target(exchange: Exchange, route: CompiledRoute) -> bytes:
    path = route.upstream_path(exchange.path)
    return path + b"?" + exchange.query if exchange.query else path


def _fields(exchange: Exchange, body: Body | None) -> bytes:
    pieces = headers.to_service(exchange.headers)
    pieces.append(own_fields(exchange))
    if exchange.principal is not None and exchange.principal.is_user:
        pieces.append(headers.identity(exchange.principal.id, exchange.principal.roles))
    if body is not None:
        pieces.append(body.framing)
    elif exchange.method in ("POST", "PUT", "PATCH"):
        pieces.append(b"content-length: 0\r\n")
    return b"".join(pieces)


def own_fields(exchange: Exchange) -> bytes:
    """Trace and forwarding fields. `headers.to_service` has dropped those of the client."""
    return (
        b"x-correlation-id: %b\r\nx-request-id: %b\r\nx-service-name: %b\r\n"
        b"x-forwarded-for: %b\r\nx-forwarded-proto: %b\r\nx-forwarded-host: %b\r\n"
    ) % (
        exchange.correlation_id.encode(),
        exchange.request_id.encode(),
        SERVICE_NAME,
        exchange.client.encode(),
        exchange.scheme.encode(),
        exchange.host,
    )
