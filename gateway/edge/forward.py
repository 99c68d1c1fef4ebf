"""Forwards one request to a service and streams both bodies."""

from collections import Counter
from contextlib import suppress

from atoll.client.failures import TimedOut, UpstreamFailure
from atoll.identity.principal import Principal
from gateway.edge import compression, headers, websocket
from gateway.edge.bodies import Body, BodyRoom, open_body, pump
from gateway.edge.error_responses import timed_out, unavailable
from gateway.edge.exchange import Exchange, now_field
from gateway.edge.flow import Flow
from gateway.edge.link_rewriting import LinkRewriter
from gateway.edge.routes.routing import CompiledRoute
from gateway.edge.upstream.connection import NO_DEADLINE, Connection
from gateway.edge.upstream.directory import Upstream
from gateway.edge.upstream.dispatch import Answer, Call, Dispatcher
from gateway.edge.upstream.failures import ClientGone

SERVICE_NAME = b"api-gateway"
STREAMS_PER_INSTANCE = 4
"""Uploads that stream at a time: each holds a thread of the instance until its client has sent it."""


class Forwarder:
    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._room = BodyRoom()
        self._streams: Counter[str] = Counter()

    async def forward(
        self, exchange: Exchange, route: CompiledRoute, upstream: Upstream, *, host: bytes = b""
    ) -> None:
        """Answer the client with the service's answer. Raises ErrorResponse and ClientGone.

        ``host`` goes to the service as its Host, in place of the instance's authority.
        """
        settings = route.route
        body = None
        if exchange.request_body is not None:
            body = await open_body(
                exchange, self._room, limit_bytes=settings.max_body_bytes, buffer_bytes=settings.buffer_bytes
            )
        call = Call(
            service=upstream.name,
            method=exchange.method,
            target=_target(exchange, route),
            fields=_fields(exchange, body),
            timeout_s=settings.timeout_s,
            has_key=b"idempotency-key" in exchange.fields,
            host=host,
            trace=exchange.trace,
        )
        if body is None or body.whole:
            if body is not None:
                call.body = body.first
            await self._exchange(exchange, route, upstream, call)
        else:
            await self._upload(exchange, route, upstream, call, body)

    async def open_websocket(
        self, exchange: Exchange, route: CompiledRoute, upstream: Upstream, is_valid: websocket.StillValid
    ) -> None:
        """Join the client and the service, or answer with the service's refusal."""
        call = Call(
            service=upstream.name,
            method="GET",
            target=_target(exchange, route),
            fields=_fields(exchange, None) + websocket.REQUEST_FIELDS,
            timeout_s=route.route.timeout_s,
            upgrades=True,
            trace=exchange.trace,
        )
        answer = await self._ask(exchange, upstream, call)
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
        if self._streams[upstream.name] >= STREAMS_PER_INSTANCE * max(1, len(upstream.endpoints)):
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
        self._streams[upstream.name] += 1
        try:
            await self._exchange(exchange, route, upstream, call)
        finally:
            self._streams[upstream.name] -= 1
            for one in pumps:
                one.throw(ClientGone())

    async def _exchange(
        self, exchange: Exchange, route: CompiledRoute, upstream: Upstream, call: Call
    ) -> None:
        answer = await self._ask(exchange, upstream, call)
        await self._answer(exchange, route, answer, call.timeout_s)

    async def _ask(self, exchange: Exchange, upstream: Upstream, call: Call) -> Answer:
        try:
            answer = await self._dispatcher.ask(upstream, call)
        except TimedOut:
            raise timed_out(upstream.name, call.timeout_s) from None
        except UpstreamFailure as failure:
            raise unavailable(upstream.name, f"{upstream.name} cannot be reached: {failure}.") from failure
        exchange.retries = answer.retries
        exchange.instance = answer.endpoint.id
        return answer

    async def _answer(
        self, exchange: Exchange, route: CompiledRoute, answer: Answer, timeout_s: float
    ) -> None:
        try:
            if answer.connection.complete:
                self._relay_whole(exchange, route, answer)
            else:
                await self._relay(exchange, route, answer, timeout_s)
        except BaseException as error:
            answer.finish(error)
            raise
        answer.finish(None)

    def _relay_whole(self, exchange: Exchange, route: CompiledRoute, answer: Answer) -> None:
        """Relay an answer whose body has arrived with its head."""
        _start(exchange, route, answer)
        body = answer.connection.take()
        answer.finish(None)  # the client's next request may use the connection
        exchange.end(body)

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


def _start(exchange: Exchange, route: CompiledRoute, answer: Answer) -> None:
    head = answer.connection.answer
    if head is None:
        raise RuntimeError("the answer has no head yet")
    lines = head.lines
    if head.has_links:
        kept = head.fields_for_client()
        LinkRewriter(route, answer.endpoint.origin.authority, exchange.host).rewrite(kept)
        lines = [b"%b: %b" % field for field in kept]
    if not head.has_date:
        lines = [*lines, b"date: " + now_field()]  # RFC 9110 §6.6.1
    length = head.length
    if length is None and not head.chunked and answer.connection.complete and exchange.method != "HEAD":
        length = answer.connection.held_bytes
    if route.route.compress:
        lines, exchange.coder = compression.encode(exchange, head.status, lines, length)
        if exchange.coder is not None:
            length = None
    exchange.start_lines(head.status, lines, length=length)


def _trailers(exchange: Exchange, connection: Connection) -> bytes:
    """The trailers for a client that takes them (RFC 9110 §6.5.1), without the fields of the gateway."""
    if not exchange.head.takes_trailers or not connection.trailers:
        return b""
    lines = connection.trailers.split(b"\r\n")[:-1]
    kept = [line for line in lines if headers.returns(line.partition(b":")[0].lower())]
    return b"".join(line + b"\r\n" for line in kept)


def _target(exchange: Exchange, route: CompiledRoute) -> bytes:
    path = route.upstream_path(exchange.path)
    return path + b"?" + exchange.query if exchange.query else path


def _fields(exchange: Exchange, body: Body | None) -> bytes:
    pieces = [exchange.head.for_service, own_fields(exchange)]
    if exchange.route is not None:
        pieces.append(exchange.route.prefix_field)
    if exchange.principal is not None:
        pieces.append(identity_fields(exchange, exchange.principal))
    if body is not None:
        pieces.append(body.framing)
    elif exchange.method in ("POST", "PUT", "PATCH"):
        pieces.append(b"content-length: 0\r\n")
    return b"".join(pieces)


def identity_fields(exchange: Exchange, principal: Principal) -> bytes:
    """`headers.identity_of`, made once for a header block and the caller that it names."""
    made = exchange.head.identity
    if made is None or made[0] is not principal:
        made = exchange.head.identity = (principal, headers.identity_of(principal))
    return made[1]


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
