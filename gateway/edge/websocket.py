"""WebSockets (RFC 6455): the same policies as every request, then bytes in both directions.

The gateway reads no messages. It follows the frames of the service only as far as it needs, so that it can
put a close frame between two of them when the token ends or the gateway stops.
"""

import asyncio
import base64
import binascii
import struct
from collections.abc import Awaitable, Callable
from typing import Protocol

from gateway.edge.error_responses import ErrorResponse
from gateway.edge.exchange import Exchange
from gateway.edge.flow import Flow, Waiter
from gateway.edge.upstream.connection import Connection
from gateway.edge.upstream.failures import BadAnswer

VERSION = b"13"
KEY_BYTES = 16
IDLE_S = 600.0
CHECK_EVERY_S = 5.0
CLOSE_WAIT_S = 5.0
SHORT = 126
GOING_AWAY, TOKEN_ENDED = 1001, 4401
REQUEST_FIELDS = b"connection: upgrade\r\nupgrade: websocket\r\n"
ANSWER_LINES = [b"connection: upgrade", b"upgrade: websocket"]

StillValid = Callable[[], Awaitable[bool]]


class _Writable(Protocol):
    async def wait_writable(self) -> None: ...


def check_handshake(exchange: Exchange) -> None:
    """Raises ErrorResponse: 400 for a malformed handshake, 426 for another version (RFC 6455 §4.2)."""
    fields = exchange.fields
    if exchange.method != "GET" or not exchange.is_http_1_1 or exchange.request_body is not None:
        raise _malformed("A WebSocket begins with GET in HTTP/1.1 and without a body.")
    if b"upgrade" not in exchange.head.connection:
        raise _malformed("A WebSocket needs 'Connection: Upgrade'.")
    if fields.get(b"sec-websocket-version") != VERSION:
        raise ErrorResponse(
            426,
            "Upgrade required",
            "websocket_version",
            "This gateway forwards version 13 of WebSocket.",
            headers=[(b"sec-websocket-version", VERSION), (b"upgrade", b"websocket")],
        )
    try:
        key = base64.b64decode(fields.get(b"sec-websocket-key", b""), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise _malformed("Sec-WebSocket-Key is not 16 bytes in base64.")


def check_origin(exchange: Exchange, *, is_allowed: bool) -> None:
    """Raises ErrorResponse (403) for a page of another origin. Browsers ask nobody before a WebSocket.

    ``is_allowed``: the cross-origin rules name the origin.
    """
    origin = exchange.origin
    if origin is None or is_allowed:
        return
    if origin.lower().partition(b"://")[2] != exchange.host.lower():
        raise ErrorResponse(
            403, "Not allowed", "origin_not_allowed", "Pages of this origin may not open a WebSocket here."
        )


def check_answer(connection: Connection) -> None:
    """Raises BadAnswer when the service switched to another protocol."""
    answered = dict(connection.headers)
    if answered.get(b"upgrade", b"").lower() != b"websocket":
        raise BadAnswer("it switched to another protocol than WebSocket")


class FrameFollower:
    """Knows whether the bytes so far end between two frames."""

    __slots__ = ("_head", "_left")

    def __init__(self) -> None:
        self._left = 0
        self._head = b""

    @property
    def is_between(self) -> bool:
        return not self._left and not self._head

    def feed(self, data: bytes) -> None:
        at, end = 0, len(data)
        while at < end:
            if self._left:
                step = min(self._left, end - at)
                self._left -= step
                at += step
                continue
            if end - at > 1 and not self._head and data[at + 1] < SHORT:
                # The usual frame of a service: without a mask, and shorter than 126 bytes.
                self._left = data[at + 1]
                at += 2
                continue
            self._head += data[at : at + 1]
            at += 1
            self._left = self._length_if_complete()

    def _length_if_complete(self) -> int:
        head = self._head
        if len(head) < 2:
            return 0
        length = head[1] & 0x7F
        mask = 4 if head[1] & 0x80 else 0
        if length < 126:
            self._head = b""
            return length + mask
        size = 2 if length == 126 else 8
        if len(head) < 2 + size:
            return 0
        self._head = b""
        return int.from_bytes(head[2:], "big") + mask


class Splice:
    """Joins a client and a service until one of them ends. ``is_valid`` says whether the token still is.

    Needs a running event loop.
    """

    def __init__(self, exchange: Exchange, connection: Connection, is_valid: StillValid) -> None:
        self._exchange = exchange
        self._client = exchange.connection
        self._service = connection
        self._is_valid = is_valid
        self._frames = FrameFollower()
        self._ended = Waiter()
        self._is_over = False
        self._closing: bytes | None = None

    async def run(self) -> None:
        """Raises ClientGone when the client ends first."""
        door = self._client.door
        door.spliced.add(self)
        checking = asyncio.get_running_loop().create_task(self._check())
        try:
            self._service.splice(self._from_service)
            self._client.splice(self._from_client)
            await self._ended
        finally:
            self._is_over = True
            door.spliced.discard(self)
            checking.cancel()
            self._service.close()

    def close(self, code: int, reason: str) -> None:
        """Send a close frame to the client between two frames of the service, then end."""
        if self._closing is None:
            text = struct.pack("!H", code) + reason.encode()
            self._closing = b"\x88" + bytes([len(text)]) + text
            self._close_between_frames()
            self._client.loop.call_later(CLOSE_WAIT_S, self._end)

    def go_away(self) -> None:
        self.close(GOING_AWAY, "the gateway restarts")

    def _close_between_frames(self) -> None:
        if self._closing and self._frames.is_between and self._client.is_open:
            self._client.write(self._closing)
            self._closing = b""
            self._end()

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._ended.wake()

    async def _check(self) -> None:
        """Look at the token every CHECK_EVERY_S."""
        while not self._is_over:
            await asyncio.sleep(CHECK_EVERY_S)
            if not await self._is_valid():
                self.close(TOKEN_ENDED, "the access token has ended")

    def _from_service(self, data: bytes) -> None:
        if self._is_over:
            return
        if not data:
            self._end()
            return
        self._alive()
        self._exchange.bytes_out += len(data)
        if self._closing == b"":
            return
        self._frames.feed(data)
        self._client.write(data)
        if self._client.is_stalled:
            self._service.pause()
            self._resume_after(self._client, self._service.resume)
        if self._closing:
            self._close_between_frames()

    def _from_client(self, data: bytes) -> None:
        if self._is_over or not self._service.usable:
            return
        self._alive()
        self._exchange.bytes_in += len(data)
        self._service.write(data)
        if self._service.is_stalled:
            self._client.pause()
            self._resume_after(self._service, self._client.resume_reading)

    def _alive(self) -> None:
        self._service.deadline = self._client.loop.time() + IDLE_S

    def _resume_after(self, slow: _Writable, resume: Callable[[], None]) -> None:
        async def wait() -> None:
            try:
                await slow.wait_writable()
            except Exception:  # the other side has ended, which ends the splice by itself
                return
            if not self._is_over:
                resume()

        Flow(wait()).start()


def _malformed(message: str) -> ErrorResponse:
    return ErrorResponse(400, "Invalid request", "websocket_handshake", message)
