"""A client that sends the given bytes, and reads answers as strictly as RFC 9112 lets it."""

import json
import re
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) [\x20-\x7e\t]*\r\n")
FIELD = re.compile(rb"([A-Za-z0-9-]+): ?([\x20-\x7e\x80-\xff\t]*)\r\n")
BODILESS = (204, 304)
TIMEOUT_S = 10.0
LIVE = b"GET /health/live HTTP/1.1\r\nHost: probe\r\n\r\n"


class BadAnswer(AssertionError):
    """The gateway's answer is malformed, or it broke off."""


@dataclass
class Answer:
    status: int
    fields: dict[str, str]
    body: bytes
    interim: list[int] = field(default_factory=list)

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One connection. ``source`` is the address that it comes from."""

    def __init__(
        self, port: int, *, host: str = "127.0.0.1", source: str = "", timeout_s: float = TIMEOUT_S
    ) -> None:
        origin = (source, 0) if source else None
        self.socket = socket.create_connection((host, port), timeout=timeout_s, source_address=origin)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream = self.socket.makefile("rb")

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        """The other side may have refused the request already, so a broken connection is no error here."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def answer(self, method: bytes = b"GET") -> Answer:
        """The next final answer. Raises BadAnswer, ConnectionError, TimeoutError."""
        interim: list[int] = []
        while True:
            status, fields = self._head()
            if status >= 200 or status == 101:
                return Answer(status, fields, self._body(method, status, fields), interim)
            interim.append(status)

    def ends(self) -> bool:
        """Whether the other side ends the connection and sends nothing before that."""
        try:
            return self._stream.read(1) == b""
        except ConnectionResetError:
            return True

    def still_serves(self) -> bool:
        """Whether another request on this connection is answered."""
        try:
            self.socket.sendall(LIVE)
            return self.answer().status == 200
        except (ConnectionError, BadAnswer):
            return False

    def _head(self) -> tuple[int, dict[str, str]]:
        line = self._stream.readline()
        if not line:
            raise ConnectionError("no answer")
        status = STATUS_LINE.fullmatch(line)
        if status is None:
            raise BadAnswer(repr(line))
        fields: dict[str, str] = {}
        while (line := self._stream.readline()) != b"\r\n":
            match = FIELD.fullmatch(line)
            if match is None:
                raise BadAnswer(repr(line))
            name = match[1].decode().lower()
            if name in fields and name in ("content-length", "transfer-encoding", "connection"):
                raise BadAnswer(f"two fields {name}")
            fields[name] = match[2].decode("latin-1").strip()
        return int(status[1]), fields

    def _body(self, method: bytes, status: int, fields: dict[str, str]) -> bytes:
        length, coding = fields.get("content-length"), fields.get("transfer-encoding")
        if length is not None and coding is not None:
            raise BadAnswer("two framings")
        if method == b"HEAD" or status in BODILESS or status < 200:
            return b""
        if coding is not None:
            if coding != "chunked":
                raise BadAnswer(coding)
            return self._chunks()
        if length is not None:
            return self._exactly(int(length))
        return self._stream.read()

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self._stream.readline(), 16):
            body += self._exactly(size)
            if self._exactly(2) != b"\r\n":
                raise BadAnswer("a chunk without its end")
        while (line := self._stream.readline()) != b"\r\n":
            if not FIELD.fullmatch(line):
                raise BadAnswer(repr(line))
        return body

    def _exactly(self, size: int) -> bytes:
        data = self._stream.read(size)
        if len(data) != size:
            raise BadAnswer(f"{len(data)} of {size} bytes")
        return data
