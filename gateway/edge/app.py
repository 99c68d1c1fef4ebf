"""The ASGI application of the data plane: applies the policies in their order."""

import asyncio
import logging
import time

from atoll import context
from atoll.addresses import Network, bucket, read, within
from atoll.asgi import Message, Receive, Send
from atoll.client.failures import UpstreamFailure
from gateway.edge import addresses, dashboard, limits, metrics, target
from gateway.edge.authenticate import authorise
from gateway.edge.composition import Components
from gateway.edge.error_responses import ErrorResponse
from gateway.edge.exchange import Exchange
from gateway.edge.request_log import Entry
from gateway.edge.routes.routing import CompiledRoute, Table, method_not_allowed
from gateway.edge.routes.snapshot import METHODS
from gateway.edge.upstream.failures import ClientGone

log = logging.getLogger(__name__)

JSON = b"application/json"
HEALTH = b"/health"
READS = frozenset({"GET", "HEAD", "OPTIONS"})
KNOWN_METHODS = frozenset(METHODS)
CLIENT_CLOSED_REQUEST = 499  # nginx's number, for the log alone: the client has gone


class Edge:
    """Answers every request except those of the admin. ``components`` must have been started."""

    def __init__(self, components: Components) -> None:
        self._components = components

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send)
        code = ""
        try:
            await self._handle(exchange)
        except ErrorResponse as error:
            code = error.code
            await self._reply_error(exchange, error)
        except ClientGone:
            await self._reply_to_broken_body(exchange)
            exchange.status = CLIENT_CLOSED_REQUEST
        except UpstreamFailure as failure:
            code = "answer_broken_off"
            self._finish(exchange, code)
            # A normal end would look like a whole answer, so the connection breaks.
            raise ConnectionAbortedError(str(failure)) from None
        except asyncio.CancelledError:
            exchange.status = CLIENT_CLOSED_REQUEST
            self._finish(exchange, code)
            raise
        except Exception:
            code = "internal_error"
            with context.work(correlation_id=exchange.correlation_id):
                log.exception("the gateway failed")
            failed = ErrorResponse(500, "Internal error", code, "The gateway failed; the id tells us where.")
            await self._reply_error(exchange, failed)
        self._finish(exchange, code)

    async def _handle(self, exchange: Exchange) -> None:
        components = self._components
        if components.config.trusted_proxies:
            self._believe_proxy(exchange, components.config.trusted_proxies)
        target.check(exchange.path, exchange.query)
        if not exchange.path.startswith(HEALTH):  # probes send an address as their Host
            target.check_host(exchange.host, exchange.scope["http_version"])
        if exchange.method not in KNOWN_METHODS:
            raise method_not_allowed(exchange.method, KNOWN_METHODS)
        if exchange.fields.get(b"upgrade", b"").lower() == b"websocket":
            raise ErrorResponse(
                501, "Not implemented", "no_websockets", "This gateway does not forward WebSockets yet."
            )
        if await self._own_page(exchange):
            return
        table, cors = components.tables.current, components.tables.cors
        if table is None or cors is None:
            raise ErrorResponse(
                503,
                "Service temporarily unavailable",
                "no_routes",
                "The gateway has not seen its routing table yet.",
                headers=[(b"retry-after", b"1")],
            )
        if exchange.origin is not None and cors.active:
            exchange.answer_headers += cors.fields(exchange.origin)
            if cors.is_preflight(exchange):
                await exchange.start(204, cors.preflight_fields(exchange.origin))
                await exchange.body(b"", more=False)
                return
        await self._routed(exchange, table)

    async def _routed(self, exchange: Exchange, table: Table) -> None:
        route = exchange.route = table.match(exchange.method, exchange.path)
        settings = route.route
        is_read = exchange.method in READS
        bad_token: ErrorResponse | None = None
        try:
            exchange.principal = await self._components.authenticator.principal(exchange.authorization)
        except ErrorResponse as error:
            # A public page stays open to an expired token; the service decides about it.
            bad_token = error
        await self._limit(exchange, route)
        is_open = settings.access == "public" or (is_read and route.reads_are_public)
        if bad_token is not None and not is_open:
            raise bad_token
        authorise(settings.access, settings.roles, is_read=is_read, principal=exchange.principal)
        if settings.service is not None:
            upstream = self._components.directory.upstream(settings.service)
            await self._components.forwarder.forward(exchange, route, upstream)
        else:
            rest = exchange.path[len(route.prefix) :]
            await dashboard.answer(exchange, rest, self._components.fetcher, settings.timeout_s)

    def _believe_proxy(self, exchange: Exchange, trusted: tuple[Network, ...]) -> None:
        if within(read(exchange.client), trusted):
            proto = exchange.fields.get(b"x-forwarded-proto")
            if proto in (b"http", b"https"):
                exchange.scheme = proto.decode()
            exchange.client = addresses.client(exchange.client, exchange.forwarded_for, trusted)

    async def _limit(self, exchange: Exchange, route: CompiledRoute) -> None:
        settings = route.route
        if not settings.rate_limit or not self._components.config.rate_limits:
            return
        principal = exchange.principal
        asker = f"user:{principal.id}" if principal is not None else f"ip:{bucket(exchange.client)}"
        verdict = await self._components.limiter.take(
            f"{route.name}:{asker}", settings.rate_limit, settings.rate_window_s
        )
        exchange.answer_headers += limits.fields(route.policy, route.name, verdict)
        if not verdict.allowed:
            raise limits.too_many(settings.rate_limit, settings.rate_window_s, verdict)

    async def _own_page(self, exchange: Exchange) -> bool:
        path = exchange.path
        if path == b"/metrics":
            if not within(read(exchange.client), self._components.config.metrics_networks):
                return False
            content_type, status, body = metrics.CONTENT_TYPE, 200, self._components.metrics.render()
        elif path.startswith(HEALTH):
            page = self._components.health.answer(path)
            if page is None:
                return False
            content_type, (status, body) = JSON, page
        else:
            return False
        if exchange.method not in ("GET", "HEAD"):
            raise method_not_allowed(exchange.method, {"GET", "HEAD"})
        await exchange.reply(status, content_type, body, [(b"cache-control", b"no-store")])
        return True

    async def _reply_error(self, exchange: Exchange, error: ErrorResponse) -> None:
        """Raises ConnectionAbortedError when another answer has begun."""
        if exchange.status:
            raise ConnectionAbortedError(error.message)
        await exchange.reply(error.status, JSON, error.body(exchange.correlation_id), error.headers)

    async def _reply_to_broken_body(self, exchange: Exchange) -> None:
        """Answer 400 to a client that may still be connected.

        The server reports a malformed body as a client that has gone. Without this answer it
        would send 500.
        """
        if not exchange.status:
            broken = ErrorResponse(
                400, "Invalid request", "body_broken_off", "The body ended early or is malformed."
            )
            await self._reply_error(exchange, broken)

    def _finish(self, exchange: Exchange, code: str) -> None:
        components = self._components
        route = exchange.route.name if exchange.route is not None else "-"
        seconds = time.perf_counter() - exchange.started
        components.metrics.observe(route, exchange.status, seconds, exchange.retries)
        if route == "-" and exchange.status < 400:
            return  # probes and scrapes of the gateway itself
        if components.request_log.wants(exchange.status):
            components.request_log.add(
                Entry(
                    at=time.time(),
                    correlation_id=exchange.correlation_id,
                    method=exchange.method,
                    path=exchange.path.decode("latin-1"),
                    route=route,
                    status=exchange.status,
                    duration_ms=round(seconds * 1000, 2),
                    client=exchange.client,
                    user_id=exchange.principal.id if exchange.principal is not None else "",
                    instance=exchange.instance,
                    retries=exchange.retries,
                    bytes_in=exchange.bytes_in,
                    bytes_out=exchange.bytes_out,
                    code=code,
                )
            )
