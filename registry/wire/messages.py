"""A request as the calls see it, and what they answer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from atoll.errors import InvalidInput, TooLarge

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

MAX_BODY_BYTES = 16 * 1024


class Disconnected(Exception):
    """The client went away; nobody is left to answer."""


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    peer: str
    body: bytes = b""


@dataclass(frozen=True)
class Response:
    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


async def read(scope: Scope, receive: Receive) -> Request:
    """Raises TooLarge for a body above 16 KB, InvalidInput for half a body and for a query that is
    no text or repeats a parameter."""
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
        headers=headers(scope),
        peer=(scope.get("client") or ("0.0.0.0", 0))[0],  # noqa: S104
        body=await _body(receive) if scope["method"] == "POST" else b"",
    )


def headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            # The server says so for a body it cannot read, too, and would answer 500 by itself.
            raise InvalidInput("The body ended early or is malformed.", code="body_broken_off")
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise TooLarge(f"A registration has at most {MAX_BODY_BYTES} bytes.")
        if not message.get("more_body"):
            return bytes(body)


async def write(send: Send, status: int, content: bytes, headers: dict[str, str]) -> None:
    named = {"Content-Type": "application/json", "Content-Length": str(len(content))} | headers
    pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": content})
