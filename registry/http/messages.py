"""Requests and responses of the registry's calls."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from atoll.asgi import Receive, Scope, Send
from atoll.errors import InvalidInput, TooLarge
from atoll.identity.addresses import walk

MAX_BODY_BYTES = 16 * 1024
BODY_WITHIN_S = 5.0
MAX_LENGTH_DIGITS = 18

Answer = TypeVar("Answer")


class Disconnected(Exception):
    """The client has closed its connection, so nobody waits for the answer."""


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    peer: str
    # The address of ours that the peer used.
    server: str = ""

    @property
    def caller(self) -> str:
        """The caller's address, read from X-Forwarded-For when a trusted proxy sent the request."""
        return walk(self.peer, self.headers.get("x-forwarded-for", ""))


@dataclass(frozen=True)
class Response:
    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def read(scope: Scope, headers: dict[str, str], max_body_bytes: int = MAX_BODY_BYTES) -> Request:
    """The request without its body.

    Raises InvalidInput for a query that is not ASCII or repeats a parameter, and TooLarge when
    Content-Length is above ``max_body_bytes``.
    """
    announced = headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:MAX_LENGTH_DIGITS]) > max_body_bytes:
        raise _too_large(max_body_bytes)
    try:
        pairs = parse_qsl(scope["query_string"].decode("ascii"), keep_blank_values=True, max_num_fields=16)
    except ValueError as error:
        raise InvalidInput("The query string cannot be read.", code="invalid_query") from error
    query = dict(pairs)
    if len(query) < len(pairs):
        raise InvalidInput("Give each parameter once.", code="invalid_query")
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=query,
        headers=headers,
        peer=(scope.get("client") or ("0.0.0.0", 0))[0],  # noqa: S104
        server=(scope.get("server") or ("", 0))[0],
    )


def headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


async def body(receive: Receive, max_bytes: int = MAX_BODY_BYTES) -> bytes:
    """Raises TooLarge above ``max_bytes``, and InvalidInput for an incomplete body and for one that
    needs more than `BODY_WITHIN_S`."""
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            return await _whole(receive, max_bytes)
    except TimeoutError as error:
        raise InvalidInput("The body did not arrive in time.", code="body_too_slow") from error


async def _whole(receive: Receive, max_bytes: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            # The server reports a malformed body as a disconnect, too, and would answer 500 by itself.
            raise InvalidInput("The body ended early or is malformed.", code="body_broken_off")
        body += message.get("body", b"")
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
        if not message.get("more_body"):
            return bytes(body)


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"The body of this call has at most {max_bytes} bytes.")


async def unless_gone(answering: Awaitable[Answer], receive: Receive) -> Answer:
    """The answer. Raises Disconnected, and cancels the work, when the client leaves first."""
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


async def write(send: Send, status: int, content: bytes, headers: dict[str, str]) -> None:
    named = {"Content-Type": "application/json", "Content-Length": str(len(content))} | headers
    pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": content})
