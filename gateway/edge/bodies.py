"""Reads request bodies and enforces their limits.

A body of known length up to ``BUFFERED_BYTES`` is read whole, so that the request can be sent again.
Every other body streams through, one piece in memory.
"""

import asyncio
import time

from atoll.client.failures import UpstreamFailure
from gateway.edge.error_responses import ErrorResponse, too_large
from gateway.edge.exchange import Exchange
from gateway.edge.upstream.connection import Connection
from gateway.edge.upstream.failures import ClientGone

BUFFERED_BYTES = 64 * 1024
READ_TIMEOUT_S = 30.0
GRACE_S = 30.0
SLOWEST_BYTES_PER_S = 1024


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


NO_BODY = Body(b"", 0, whole=True)


async def open_body(exchange: Exchange, limit_bytes: int) -> Body | None:
    """None for a request without a body. Raises ErrorResponse (400, 408, 413, 501) and ClientGone.

    The gateway forwards one framing. Chunked overrides a length (RFC 9112 §6.3).
    """
    length, chunked = _framing(exchange)
    if length is None and not chunked and exchange.scope["http_version"].startswith("1"):
        return None
    if length is not None and length > limit_bytes:
        raise too_large(limit_bytes)
    if length == 0:
        return NO_BODY
    if length is not None and length <= BUFFERED_BYTES:
        return await _read_whole(exchange, length)
    data, more = await _next_piece(exchange)
    if not more:
        if length is None and not data:
            return None if not chunked else NO_BODY
        return Body(data, len(data), whole=True)
    return Body(data, length, whole=False)


def _framing(exchange: Exchange) -> tuple[int | None, bool]:
    length: int | None = None
    chunked = False
    for name, value in exchange.headers:
        if name == b"transfer-encoding":
            if value.strip().lower() != b"chunked":
                raise ErrorResponse(
                    501,
                    "Not implemented",
                    "transfer_encoding",
                    "Only the transfer encoding 'chunked' is understood.",
                )
            chunked = True
        elif name == b"content-length":
            if not value.isdigit() or (length is not None and int(value) != length):
                raise ErrorResponse(
                    400, "Invalid request", "content_length", "Content-Length is not one number of bytes."
                )
            length = int(value)
    return (None, True) if chunked else (length, False)


async def _read_whole(exchange: Exchange, length: int) -> Body:
    data, more = await _next_piece(exchange)
    if more and len(data) < length:
        pieces = [data]
        while more and sum(map(len, pieces)) < length:
            data, more = await _next_piece(exchange)
            pieces.append(data)
        data = b"".join(pieces)
    if len(data) != length:
        raise ErrorResponse(
            400, "Invalid request", "body_length", "The body is not as long as Content-Length says."
        )
    exchange.bytes_in = length
    return Body(data, length, whole=True)


async def _next_piece(exchange: Exchange) -> tuple[bytes, bool]:
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            message = await exchange.receive()
    except TimeoutError:
        raise _too_slow() from None
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message.get("body", b""), message.get("more_body", False)


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
    began = time.perf_counter()
    loop = asyncio.get_running_loop()
    data, more, total = body.first, True, 0
    while True:
        total += len(data)
        exchange.bytes_in = total
        if total > limit_bytes:
            raise too_large(limit_bytes)
        if body.length is not None and total > body.length:
            raise ErrorResponse(
                400, "Invalid request", "body_length", "The body is longer than Content-Length."
            )
        if data:
            connection.write(data if body.length is not None else b"%x\r\n%b\r\n" % (len(data), data))
            connection.deadline = loop.time() + timeout_s
            await connection.wait_writable()
        if not more or total == body.length:
            break
        spent_s = time.perf_counter() - began
        if spent_s > GRACE_S and total / spent_s < SLOWEST_BYTES_PER_S:
            raise _too_slow()
        data, more = await _next_piece(exchange)
    if body.length is None:
        connection.write(b"0\r\n\r\n")
    elif total < body.length:
        raise ClientGone
    connection.request_sent = True


def _too_slow() -> ErrorResponse:
    return ErrorResponse(
        408,
        "Request timeout",
        "request_timeout",
        "The body arrived too slowly.",
        headers=[(b"connection", b"close")],
    )
