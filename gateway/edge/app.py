"""Applies the policies to a request, in their order, and answers it."""

import logging
import time

from atoll import context
from atoll.addresses import Network, read, within
from atoll.client.failures import UpstreamFailure
from atoll.identity.principal import Principal
from gateway.edge import addresses, cors, metrics, preflight, target, websocket
from gateway.edge.aggregation import run as aggregation
from gateway.edge.authenticate import PENDING, authorise, is_open
from gateway.edge.composition import Components
from gateway.edge.control_routes import control_route
from gateway.edge.error_responses import ErrorResponse
from gateway.edge.exchange import Exchange
from gateway.edge.flow import outside
from gateway.edge.http.client import KnownRoute
from gateway.edge.limits import answers
from gateway.edge.routes.routing import CompiledRoute, Table, method_not_allowed
from gateway.edge.routes.snapshot import METHODS
from gateway.edge.scraping import Scrape, Scraping
from gateway.edge.upstream.directory import Upstream
from gateway.edge.upstream.failures import ClientGone

log = logging.getLogger(__name__)

JSON = b"application/json"
HEALTH = b"/health"
KNOWN_METHODS = frozenset(METHODS)
CLIENT_CLOSED_REQUEST = 499  # nginx's number, for the log alone: the client has gone


class Edge:
    """``components`` must have been started. ``scrape`` gives the metrics of all edge processes; without
    it, those of this process are given."""

    def __init__(self, components: Components, scrape: Scrape | None = None) -> None:
        self._components = components
        self._scraping = Scraping(scrape or self._own_metrics)
        self._limits_rates = components.config.rate_limits
        self._trusted = components.config.trusted_proxies

    async def serve(self, exchange: Exchange) -> None:
        """Answer one request. Never raises an error."""
        code = ""
        table = self._components.tables.current
        if table is not None:
            cors.announce(exchange, table.cors)
        try:
            if self._trusted:
                self._believe_proxy(exchange, self._trusted)
            known = exchange.connection.known_route
            if (
                known is not None
                and known.line is exchange.line
                and known.table is table
                and known.host == exchange.host
                and (known.head is None or known.head is exchange.head)
                and not exchange.head.expectation
            ):
                await self._routed(exchange, table, known.route)
            elif exchange.error is not None:
                raise exchange.error
            else:
                await self._handle(exchange, table)
        except ErrorResponse as error:
            code = error.code
            await self._reply_error(exchange, error)
        except ClientGone:
            exchange.status = CLIENT_CLOSED_REQUEST
            exchange.abort()
        except UpstreamFailure as failure:
            code = "answer_broken_off"
            log.debug("an answer broke off: %s", failure)
            exchange.abort()  # a normal end would look like a whole answer
        except Exception:
            code = "internal_error"
            with context.work(correlation_id=exchange.correlation_id):
                log.exception("the gateway failed")
            failed = ErrorResponse(500, "Internal error", code, "The gateway failed; the id tells us where.")
            await self._reply_error(exchange, failed)
        self._finish(exchange, code)

    async def _handle(self, exchange: Exchange, table: Table | None) -> None:
        route = await self._routed_path(exchange, table)
        if route is None or table is None:
            return
        if exchange.method != "OPTIONS":  # a preflight may have the same line
            # Behind a proxy a request has the client's address in its fields, and some pages are private.
            head = exchange.head if table.reads_fields or self._trusted else None
            exchange.connection.known_route = KnownRoute(exchange.line, exchange.host, head, table, route)
        await self._routed(exchange, table, route)

    async def _routed_path(self, exchange: Exchange, table: Table | None) -> CompiledRoute | None:
        """The route of a request that is none of the gateway's own pages; None when it has been answered."""
        target.check(exchange.path, exchange.query)
        if exchange.path != HEALTH and not exchange.path.startswith(HEALTH + b"/"):
            # Probes send anything as their Host.
            target.check_host(exchange.host, "1.1" if exchange.is_http_1_1 else "1.0")
        if exchange.method not in KNOWN_METHODS:
            raise method_not_allowed(exchange.method, KNOWN_METHODS)
        if exchange.head.expectation:
            _check_expectation(exchange.head.expectation)
        permissions = preflight.answer(exchange, table) if table is not None else None
        if permissions is not None:
            exchange.start(204, permissions, length=0)
            exchange.end()
            return None
        if await self._own_page(exchange):
            return None
        if table is None:
            raise ErrorResponse(
                503,
                "Service temporarily unavailable",
                "no_routes",
                "The gateway has not seen its routing table yet.",
                headers=[(b"retry-after", b"1")],
            )
        return table.match(exchange.method, exchange.path, exchange.host, exchange.fields)

    async def _routed(self, exchange: Exchange, table: Table, route: CompiledRoute) -> None:
        components = self._components
        exchange.route = route
        exchange.trace = components.traces.begin(exchange)
        if route.cors is not table.cors:
            cors.announce(exchange, route.cors)
        settings = route.route
        bad_token: ErrorResponse | None = None
        if exchange.authorization is not None or b"x-api-key" in exchange.fields:
            try:
                principal = components.authenticator.remembered(exchange)
                if principal is PENDING:
                    principal = await outside(components.authenticator.principal(exchange))
                exchange.principal = principal
            except ErrorResponse as error:
                # A public page stays open to an expired token; the service decides about it.
                bad_token = error
        if self._limits_rates:
            counting = components.limits.of(route.name, exchange.principal)
            if counting is not None:
                rule, asker = counting.rule, counting.asker(exchange.principal, exchange.client)
                verdict = components.limiter.spend(rule, asker)
                if verdict is None:
                    verdict = await outside(components.limiter.take(rule, asker))
                exchange.answer_lines.append(answers.lines(rule, verdict))
                if not verdict.allowed:
                    raise answers.too_many(rule, verdict)
        if bad_token is not None and not is_open(settings, exchange.method):
            raise bad_token
        # Nothing else but a role is asked of a user.
        if settings.roles or type(exchange.principal) is not Principal:
            authorise(settings, exchange.method, exchange.principal)
        if settings.service is not None:
            upstream = components.directory.upstream(settings.service)
            if exchange.head.upgrade == b"websocket":
                await self._websocket(exchange, route, upstream)
            else:
                await components.forwarder.forward(exchange, route, upstream)
        else:
            declared = table.snapshot.aggregates
            await outside(aggregation.answer(exchange, declared, components.fetcher, settings.timeout_s))

    async def _websocket(self, exchange: Exchange, route: CompiledRoute, upstream: Upstream) -> None:
        if not route.route.websocket:
            raise ErrorResponse(501, "Not implemented", "no_websockets", "This route takes no WebSockets.")
        websocket.check_handshake(exchange)
        origin = exchange.origin
        websocket.check_origin(exchange, is_allowed=origin is not None and route.cors.allows(origin))

        async def is_valid() -> bool:
            try:
                await self._components.authenticator.principal(exchange)
            except ErrorResponse as error:
                # Without keys, and above the limit for bad tokens, nothing is said about this token.
                return error.status >= 500 or error.status == 429
            return True

        await self._components.forwarder.open_websocket(exchange, route, upstream, is_valid)

    def _believe_proxy(self, exchange: Exchange, trusted: tuple[Network, ...]) -> None:
        if within(read(exchange.client), trusted):
            proto = exchange.fields.get(b"x-forwarded-proto")
            if proto in (b"http", b"https"):
                exchange.scheme = proto.decode()
            exchange.client = addresses.client(exchange.client, exchange.forwarded_for, trusted)

    async def _own_page(self, exchange: Exchange) -> bool:
        path = exchange.path
        if path.startswith(HEALTH):
            page = self._components.health.answer(path)
            if page is None:
                return False
            content_type, (status, body) = JSON, page
        elif path == b"/metrics":
            if not within(read(exchange.client), self._components.config.metrics_networks):
                return False
            content_type, status, body = metrics.CONTENT_TYPE, 200, await self._metrics()
        else:
            return await self._controlled(exchange)
        if exchange.method not in ("GET", "HEAD"):
            raise method_not_allowed(exchange.method, {"GET", "HEAD"})
        await exchange.reply(status, content_type, body, [(b"cache-control", b"no-store")])
        return True

    async def _controlled(self, exchange: Exchange) -> bool:
        """Forward pages to the control process and the registry; ``/`` may lead to the console."""
        components = self._components
        if exchange.path == b"/" and components.config.leads_to_console:
            return await self._lead_to_console(exchange)
        route = control_route(exchange.path)
        if route is None or not components.config.control_url:
            return False
        if route.is_private and not within(read(exchange.client), components.config.admin_networks):
            return False
        exchange.route = route.compiled
        if route.is_private:
            cors.announce(exchange, route.compiled.cors)
        upstream = components.directory.upstream(route.service)
        await components.forwarder.forward(exchange, route.compiled, upstream, host=exchange.host)
        return True

    async def _lead_to_console(self, exchange: Exchange) -> bool:
        """Redirect a browser from ``/``, unless a route takes it."""
        table = self._components.tables.current
        if exchange.method not in ("GET", "HEAD") or not within(
            read(exchange.client), self._components.config.admin_networks
        ):
            return False
        if table is not None and table.candidates(exchange.path, exchange.host):
            return False
        await exchange.reply(
            302, b"text/plain", b"", [(b"location", b"/console/"), (b"cache-control", b"no-store")]
        )
        return True

    async def _metrics(self) -> bytes:
        try:
            return await outside(self._scraping.text())
        except OSError as error:
            log.warning("the other processes of the gateway do not tell their metrics: %r", error)
            raise ErrorResponse(
                503,
                "Service temporarily unavailable",
                "no_metrics",
                "Not all processes of the gateway tell their metrics now. Try again.",
                headers=[(b"retry-after", b"1")],
            ) from error

    async def _own_metrics(self) -> bytes:
        return metrics.render(self._components.metrics.state())

    async def _reply_error(self, exchange: Exchange, error: ErrorResponse) -> None:
        """Breaks the connection when another answer has begun."""
        if exchange.status:
            exchange.abort()
            return
        await exchange.reply(error.status, JSON, error.body(exchange.correlation_id), list(error.headers))

    def _finish(self, exchange: Exchange, code: str) -> None:
        components = self._components
        route = exchange.route.name if exchange.route is not None else "-"
        seconds = time.perf_counter() - exchange.started
        components.metrics.observe(route, exchange.status, seconds, exchange.retries)
        if route == "-" and exchange.status < 400:
            return  # probes and scrapes of the gateway itself
        if exchange.trace is not None:
            components.traces.end(exchange, exchange.trace, route, seconds, code)
        components.request_log.add(exchange, route, seconds, code)


def _check_expectation(expectation: bytes) -> None:
    if expectation != b"100-continue":
        raise ErrorResponse(
            417,
            "Expectation failed",
            "expectation_failed",
            "The only expectation that is known is 100-continue.",
        )
