"""A service for tests in raw asyncio, so that it can break the protocol."""

import asyncio
import json
import ssl
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from atoll.testing.tokens import jwks

PIECE = 65_536


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    body_bytes: int = 0
    connection: int = 0

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key.lower() == name]
        assert len(found) <= 1, f"{name} arrived {len(found)} times"
        return found[0] if found else None


Behave = Callable[[Seen, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def answer(status: int, body: bytes, *fields: str) -> bytes:
    head = "\r\n".join(
        [f"HTTP/1.1 {status} OK", f"Content-Length: {len(body)}", "Content-Type: application/json", *fields]
    )
    return head.encode() + b"\r\n\r\n" + body


REVOCATIONS = "/.well-known/revocations.json"


class Upstream:
    """Answers with the request as JSON. ``behaviours``, by path prefix, replace that.

    With ``tls`` it speaks HTTPS.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.seen: list[Seen] = []
        self.revoked: dict[str, list[Any]] = {}
        self.behaviours: dict[str, Behave] = {}
        self.connections = 0
        self.ended: list[str] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(5)

    def of(self, prefix: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.target.startswith(prefix)]

    def answers(self, prefix: str, *replies: bytes) -> None:
        """Give these raw answers in turn, then the last one again and again."""
        waiting = list(replies)

        async def behave(seen: Seen, reader: Any, writer: asyncio.StreamWriter) -> None:
            writer.write(waiting.pop(0) if len(waiting) > 1 else waiting[0])

        self.behaviours[prefix] = behave

    def close(self) -> None:
        async def end() -> None:
            self._server.close()
            serving = asyncio.all_tasks() - {asyncio.current_task()}
            for task in serving:
                task.cancel()
            await asyncio.gather(*serving, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def drop_idle_connections(self) -> None:
        """Close all connections. Returns when they are closed."""

        async def drop() -> None:
            for writer in list(self._writers):
                writer.transport.abort()

        asyncio.run_coroutine_threadsafe(drop(), self._loop).result(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)

        async def start() -> None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**20, ssl=self._tls)
            self.port = self._server.sockets[0].getsockname()[1]

        self._loop.run_until_complete(start())
        self._ready.set()
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        self._writers.add(writer)
        try:
            while True:
                seen = await self._read(reader)
                seen.connection = number
                if seen.target != REVOCATIONS:  # asked for beside whatever a test asks for
                    self.seen.append(seen)
                await self._answer(seen, reader, writer)
                await writer.drain()
                if writer.is_closing():
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Seen:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        fields = [(line.split(": ", 1)[0], line.split(": ", 1)[1]) for line in head[1:] if line]
        seen = Seen(method, target, fields)
        length, chunked = seen.header("content-length"), seen.header("transfer-encoding")
        assert not (length and chunked), "ambiguous framing reached the service"
        if target.startswith("/early"):
            return seen
        if length:
            left = int(length)
            while left:
                piece = await reader.read(min(left, PIECE))
                if not piece:
                    self.ended.append(target)
                    raise ConnectionError
                left -= len(piece)
                self._take(seen, piece)
        elif chunked:
            while size := int((await reader.readline()).strip() or b"0", 16):
                self._take(seen, await reader.readexactly(size))
                await reader.readexactly(2)
            await reader.readexactly(2)
        return seen

    def _take(self, seen: Seen, piece: bytes) -> None:
        seen.body_bytes += len(piece)
        if len(seen.body) < PIECE:
            seen.body += piece

    async def _answer(self, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if seen.target == REVOCATIONS:
            writer.write(answer(200, json.dumps({"revoked": self.revoked}).encode()))
            return
        if seen.target == "/.well-known/jwks.json":
            writer.write(answer(200, json.dumps(jwks()).encode()))
            return
        for prefix, behave in self.behaviours.items():
            if seen.target.startswith(prefix):
                await behave(seen, reader, writer)
                return
        shown = {"method": seen.method, "target": seen.target, "bytes": seen.body_bytes}
        body = json.dumps(shown | {"headers": seen.headers}).encode()
        raw = answer(200, body)
        writer.write(raw[: -len(body)] if seen.method == "HEAD" else raw)
