"""A limit on request bodies in front of an ASGI application.

Django under ASGI writes a whole body to disk before any middleware runs, however
large it is; :class:`BodyLimited` stops reading at the limit.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from atoll import context, wire
from atoll.api.errors import JSON, plain_problem

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


class _TooLarge(Exception):
    """More came than was declared, or than may come."""


class BodyLimited:
    """Answers 413 in the error shape to more than ``max_bytes`` of body, declared or sent."""

    def __init__(self, application: Application, max_bytes: int = wire.MAX_BYTES) -> None:
        self.application = application
        self.max_bytes = max_bytes

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        read_bytes = 0
        answering = False

        async def counted() -> Message:
            nonlocal read_bytes
            message = await receive()
            read_bytes += len(message.get("body", b""))
            if read_bytes > self.max_bytes:
                raise _TooLarge
            return message

        async def watched(message: Message) -> None:
            nonlocal answering
            answering = True
            await send(message)

        try:
            if _declared_bytes(scope) > self.max_bytes:
                raise _TooLarge
            await self.application(scope, counted, watched)
        except _TooLarge:
            if answering:
                raise
            await self._refuse(scope, send)

    async def _refuse(self, scope: Message, send: Send) -> None:
        offered = _header(scope, b"x-correlation-id")
        with context.work(correlation_id=context.accept_correlation_id(offered.decode("latin-1"))):
            problem = plain_problem(413, message=f"At most {self.max_bytes} bytes are read in one request.")
            body = wire.dumps(problem.body())
            headers = {
                "content-type": JSON,
                "content-length": str(len(body)),
                "connection": "close",
                "x-correlation-id": context.correlation_id() or "",
            }
        await send(
            {
                "type": "http.response.start",
                "status": problem.status,
                "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            }
        )
        await send({"type": "http.response.body", "body": body})


def _declared_bytes(scope: Message) -> int:
    declared = _header(scope, b"content-length")
    return int(declared) if declared.isdigit() else 0


def _header(scope: Message, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key.lower() == name), b"")
