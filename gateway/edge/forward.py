"""Forwards one request to a service and streams both bodies."""

from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from atoll.addresses import bucket
from atoll.client.failures import TimedOut, UpstreamFailure
from gateway.edge import compression, headers, websocket
from gateway.edge.bodies import Body, BodyRoom, open_body, pump
from gateway.edge.error_responses import ErrorResponse, timed_out, unavailable
from gateway.edge.exchange import Exchange, now_field
from gateway.edge.flow import Flow
from gateway.edge.link_rewriting import LinkRewriter
from gateway.edge.routes.routing import CompiledRoute
from gateway.edge.upstream.answer_head import may_trail
from gateway.edge.upstream.connection import NO_DEADLINE, Connection
from gateway.edge.upstream.directory import Upstream
from gateway.edge.upstream.dispatch import Answer, Call, Dispatcher
from gateway.edge.upstream.failures import ClientGone

SERVICE_NAME = b"api-gateway"
METHODS_WITH_BODY = frozenset(("POST", "PUT", "PATCH"))
STREAMS_PER_INSTANCE = 4
"""Uploads that stream at a time: each holds a thread of the instance until its client has sent it."""


class Forwarder:
    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._room = BodyRoom()
        self._streams: Counter[str] = Counter()

    def forward(
        self, exchange: Exchange, route: CompiledRoute, upstream: Upstream, *, host: bytes = b""
    ) -> Coroutine[Any, Any, None]:
        """Answer the client with the service's answer. Raises ErrorResponse and ClientGone when awaited.

        ``host`` goes to the service as its Host, in place of the instance's authority.
        """
        if exchange.request_body is not None:
            return self._with_body(exchange, route, upstream, host)
        return self._exchange(exchange, route, upstream, _call(exchange, route, upstream, None, host))

    async def _with_body(
        self, exchange: Exchange, route: CompiledRoute, upstream: Upstream, host: bytes
    ) -> None:
        settings = route.route
        body = await open_body(
            exchange, self._room, limit_bytes=settings.max_body_bytes, buffer_bytes=settings.buffer_bytes
        )
        call = _call(exchange, route, upstream, body, host)
        if body is not None and not body.whole:
            await self._upload(exchange, route, upstream, call, body)
            return
        if body is not None:
            call.body = body.first
        await self._exchange(exchange, route, upstream, call)

    async def open_websocket(
        self, exchange: Exchange, route: CompiledRoute, upstream: Upstream, is_valid: websocket.StillValid
    ) -> None:
        """Join the client and the service, or answer with the service's refusal."""
        call = _call(exchange, route, upstream, None, b"")
        call.fields += websocket.REQUEST_FIELDS
        call.upgrades = True
        try:
            answer = await self._dispatcher.ask(upstream, call)
        except UpstreamFailure as failure:
            raise _refusal(call, failure) from failure
        _note(exchange, answer)
        if answer.connection.status != 101:
            await self._answer(exchange, route, answer, call.timeout_s)
            return
        connection = answer.detach()
        try:
            try:
                websocket.check_answer(connection)
            except UpstreamFailure as failure:
                raise unavailable(
                    upstream.name, f"{upstream.name} cannot be reached: {failure}."
                ) from failure
            lines = connection.answer.lines if connection.answer is not None else []
            exchange.switch([*lines, *websocket.ANSWER_LINES])
            with suppress(ClientGone):  # a client may be the first to end a WebSocket
                await websocket.Splice(exchange, connection, is_valid).run()
                exchange.connection.close()
        finally:
            connection.close()
            answer.forget()

    async def _upload(
        self, exchange: Exchange, route: CompiledRoute, upstream: Upstream, call: Call, body: Body
    ) -> None:
        most = STREAMS_PER_INSTANCE * max(1, len(upstream.endpoints))
        whole, share = upstream.name, f"{upstream.name} {bucket(exchange.client)}"
        # A slow client holds a thread of the service, so that no client gets more than half of them.
        if self._streams[whole] >= most or self._streams[share] >= most // 2:
            raise unavailable(
                upstream.name, f"{upstream.name} takes no more large uploads now.", code="overloaded"
            )
        pumps: list[Flow] = []
        settings = route.route

        def stream(connection: Connection) -> None:
            sending = pump(
                exchange, body, connection, limit_bytes=settings.max_body_bytes, timeout_s=settings.timeout_s
            )
            pumps.append(Flow(sending).start())

        call.stream = stream
        self._streams.update((whole, share))
        try:
            await self._exchange(exchange, route, upstream, call)
        finally:
            self._streams.subtract((whole, share))
            if not self._streams[share]:
                del self._streams[share]
            for one in pumps:
                one.throw(ClientGone())

    async def _exchange(
        self, exchange: Exchange, route: CompiledRoute, upstream: Upstream, call: Call
    ) -> None:
        try:
            answer = await self._dispatcher.ask(upstream, call)
        except UpstreamFailure as failure:
            raise _refusal(call, failure) from failure
        _note(exchange, answer)
        connection = answer.connection
        if not connection.complete:
            await self._answer(exchange, route, answer, call.timeout_s)
            return
        # The body has arrived with the head.
        try:
            _start(exchange, route, answer)
            body, trailers = connection.take(), _trailers(exchange, connection)
        except BaseException as error:
            answer.finish(error)
            raise
        answer.finish()  # before the end: the client's next request may use the connection
        exchange.end(body, trailers)

    async def _answer(
        self, exchange: Exchange, route: CompiledRoute, answer: Answer, timeout_s: float
    ) -> None:
        try:
            await self._relay(exchange, route, answer, timeout_s)
        except BaseException as error:
            answer.finish(error)
            raise
        answer.finish()

    async def _relay(
        self, exchange: Exchange, route: CompiledRoute, answer: Answer, timeout_s: float
    ) -> None:
        connection, client = answer.connection, exchange.connection
        _start(exchange, route, answer)
        data = connection.take()
        if not data:
            exchange.flush()
        while not connection.complete:
            if data:
                exchange.write(data)
                if client.is_stalled:
                    connection.deadline = NO_DEADLINE  # the door judges the client
                    await client.wait_writable()
            connection.deadline = client.loop.time() + timeout_s
            data = await connection.read()
        while True:
            rest = connection.take()
            if not rest:
                break
            if data:
                exchange.write(data)
                await client.wait_writable()
            data = rest
        exchange.end(data, _trailers(exchange, connection))


def _call(
    exchange: Exchange, route: CompiledRoute, upstream: Upstream, body: Body | None, host: bytes
) -> Call:
    path = route.upstream_path(exchange.path)
    return Call(
        upstream.name,
        exchange.method,
        path + b"?" + exchange.query if exchange.query else path,
        _fields(exchange, body),
        route.route.timeout_s,
        has_key=b"idempotency-key" in exchange.fields,
        host=host,
        trace=exchange.trace,
    )


def _note(exchange: Exchange, answer: Answer) -> None:
    exchange.retries = answer.retries
    exchange.instance = answer.endpoint.id


def _refusal(call: Call, failure: UpstreamFailure) -> ErrorResponse:
    """The answer when no instance has answered: 503, or 504 for one that was too slow."""
    if isinstance(failure, TimedOut):
        return timed_out(call.service, call.timeout_s)
    return unavailable(call.service, f"{call.service} cannot be reached: {failure}.")


def _start(exchange: Exchange, route: CompiledRoute, answer: Answer) -> None:
    head = answer.connection.answer
    if head is None:
        raise RuntimeError("the answer has no head yet")
    compresses = route.route.compress
    lines = head.lines if compresses or not head.block else [head.block]
    if head.has_links:
        kept = head.fields_for_client()
        LinkRewriter(route, answer.endpoint.origin.authority, exchange.host).rewrite(kept)
        lines = [b"%b: %b" % field for field in kept]
    if not head.has_date:
        lines = [*lines, b"date: " + now_field()]  # RFC 9110 §6.6.1
    length = head.length
    if length is None and not head.chunked and answer.connection.complete and exchange.method != "HEAD":
        length = answer.connection.held_bytes
    if compresses:
        lines, exchange.coder = compression.encode(exchange, head.status, lines, length)
        if exchange.coder is not None:
            length = None
    exchange.start_lines(head.status, lines, length=length)


def _trailers(exchange: Exchange, connection: Connection) -> bytes:
    """The trailers for a client that takes them (RFC 9110 §6.5.1), without the fields of the gateway, and
    without fields that belong only into a head."""
    if not exchange.head.takes_trailers or not connection.trailers:
        return b""
    lines = connection.trailers.split(b"\r\n")[:-1]
    kept = [line for line in lines if may_trail(line.partition(b":")[0].lower())]
    return b"".join(line + b"\r\n" for line in kept)


def _fields(exchange: Exchange, body: Body | None) -> bytes:
    if body is not None:
        framing = body.framing
    elif exchange.method in METHODS_WITH_BODY:
        framing = b"content-length: 0\r\n"
    else:
        framing = b""
    return b"%bx-correlation-id: %b\r\nx-request-id: %b\r\n%b" % (
        constant_fields(exchange),
        exchange.correlation_id.encode(),
        exchange.request_id.encode(),
        framing,
    )


def constant_fields(exchange: Exchange) -> bytes:
    """The client's fields that pass, and the fields about the client and its connection.

    They are made once for a header block, as long as caller, route and address stay the same.
    """
    made = exchange.head.constant
    if (
        made is not None
        and made[0] is exchange.principal
        and made[1] is exchange.route
        and made[2] == exchange.client
        and made[3] == exchange.scheme
        and made[4] == exchange.host
    ):
        return made[5]
    principal, route = exchange.principal, exchange.route
    pieces = [exchange.head.for_service, forwarding_fields(exchange)]
    if route is not None:
        pieces.append(route.prefix_field)
    if principal is not None:
        named = exchange.connection.known_identity
        if named is None or named[0] is not principal:
            named = exchange.connection.known_identity = (principal, headers.identity_of(principal))
        pieces.append(named[1])
    fields = b"".join(pieces)
    exchange.head.constant = principal, route, exchange.client, exchange.scheme, exchange.host, fields
    return fields


def own_fields(exchange: Exchange) -> bytes:
    """Trace and forwarding fields. `headers.to_service` has dropped those of the client."""
    ids = exchange.correlation_id.encode(), exchange.request_id.encode()
    return b"x-correlation-id: %b\r\nx-request-id: %b\r\n%b" % (*ids, forwarding_fields(exchange))


def forwarding_fields(exchange: Exchange) -> bytes:
    return (
        b"x-service-name: %b\r\nx-forwarded-for: %b\r\nx-forwarded-proto: %b\r\nx-forwarded-host: %b\r\n"
        % (SERVICE_NAME, exchange.client.encode(), exchange.scheme.encode(), exchange.host)
    )
