"""Reads request bodies and enforces their limits.

A body of up to ``buffer_bytes`` is read whole before a service is asked. So a slow client holds no
thread of a service, and the request can be sent again. A longer body streams, one piece in memory.
"""

from collections import Counter

from atoll.addresses import bucket
from atoll.client.failures import UpstreamFailure
from gateway.edge.error_responses import ErrorResponse, too_large
from gateway.edge.exchange import Exchange
from gateway.edge.upstream.connection import NO_DEADLINE, Connection
from gateway.edge.upstream.failures import ClientGone

FIRST_BYTES = 64 * 1024
"""Of a longer body, so many are read before the service is asked."""


class BodyRoom:
    """Bounds the bytes of all bodies that are being read whole, in all and for one address."""

    def __init__(self, most_bytes: int = 64 * 1024 * 1024, per_address_bytes: int = 16 * 1024 * 1024) -> None:
        self._most = most_bytes
        self._per_address = per_address_bytes
        self._of: Counter[str] = Counter()
        self.held_bytes = 0

    def take(self, address: str, count: int) -> None:
        """Raises ErrorResponse (503) when there is no room."""
        if self.held_bytes + count > self._most or self._of[address] + count > self._per_address:
            raise ErrorResponse(
                503,
                "Service temporarily unavailable",
                "overloaded",
                "Too many bodies are being read. Try again.",
                headers=[(b"retry-after", b"1"), (b"connection", b"close")],
            )
        self.held_bytes += count
        self._of[address] += count

    def give_back(self, address: str, count: int) -> None:
        self.held_bytes -= count
        self._of[address] -= count
        if self._of[address] <= 0:
            del self._of[address]


class Body:
    """``length`` is None for a chunked body. ``whole``: the complete body is in ``first``."""

    __slots__ = ("first", "length", "whole")

    def __init__(self, first: bytes, length: int | None, *, whole: bool) -> None:
        self.first = first
        self.length = length
        self.whole = whole

    @property
    def framing(self) -> bytes:
        if self.length is None:
            return b"transfer-encoding: chunked\r\n"
        return b"content-length: %d\r\n" % self.length


async def open_body(
    exchange: Exchange, room: BodyRoom, *, limit_bytes: int, buffer_bytes: int
) -> Body | None:
    """None for a request without a body. Raises ErrorResponse (400, 408, 413, 503)."""
    body = exchange.request_body
    if body is None:
        return None
    length = body.length
    if length is not None and length > limit_bytes:
        raise too_large(limit_bytes)
    wanted = min(limit_bytes + 1, buffer_bytes if length is None or length <= buffer_bytes else FIRST_BYTES)
    if length is not None and body.complete and length <= wanted:
        return Body(await exchange.receive(length), length, whole=True)
    data = await _read_first(exchange, room, wanted if length is None else min(wanted, length))
    if len(data) > limit_bytes:
        raise too_large(limit_bytes)
    if body.complete and not body.is_held:
        return Body(data, len(data), whole=True)
    return Body(data, length, whole=False)


async def _read_first(exchange: Exchange, room: BodyRoom, wanted: int) -> bytes:
    pieces: list[bytes] = []
    held = 0
    address = bucket(exchange.client)  # that of the client in front of a trusted proxy
    try:
        while held < wanted:
            piece = await exchange.receive(min(wanted - held, FIRST_BYTES))
            if not piece:
                break
            room.take(address, len(piece))
            held += len(piece)
            pieces.append(piece)
    finally:
        room.give_back(address, held)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def pump(
    exchange: Exchange, body: Body, connection: Connection, *, limit_bytes: int, timeout_s: float
) -> None:
    """Stream the rest of the body upstream. An error ends the exchange on the connection, too."""
    try:
        await _stream(exchange, body, connection, limit_bytes, timeout_s)
    except (ErrorResponse, ClientGone) as error:
        connection.fail(error)
    except UpstreamFailure as error:
        if not connection.status:
            connection.fail(error)


async def _stream(
    exchange: Exchange, body: Body, connection: Connection, limit_bytes: int, timeout_s: float
) -> None:
    """While the client is slow, the upstream has no deadline: the door judges the client."""
    total = 0
    data = body.first
    loop = exchange.connection.loop
    while data:
        total += len(data)
        if total > limit_bytes:
            raise too_large(limit_bytes)
        connection.write(data if body.length is not None else b"%x\r\n%b\r\n" % (len(data), data))
        connection.deadline = loop.time() + timeout_s
        await connection.wait_writable()
        if not connection.status:
            connection.deadline = NO_DEADLINE
        data = await exchange.receive()
    if body.length is None:
        connection.write(b"0\r\n\r\n")
    connection.request_sent = True
    connection.deadline = loop.time() + timeout_s
