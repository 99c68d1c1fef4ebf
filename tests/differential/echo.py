"""The service behind all three: it takes what it gets, and answers without a body."""

import asyncio

from gateway.tests.battery.recorder import Malformed, Recorder
from gateway.tests.upstream import Seen, answer


class Echo(Recorder):
    """``unfinished`` is the number of requests whose head has come and whose body has not."""

    def __init__(self) -> None:
        self.unfinished = 0
        super().__init__()

    def read_head(self, head: bytes) -> Seen:
        first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        parts = first.split(b" ")
        if len(parts) != 3:
            raise Malformed(repr(head))
        fields = [line.partition(b":") for line in lines]
        found = [(name.decode("latin-1"), value.strip().decode("latin-1")) for name, _, value in fields]
        names = [name.lower() for name, _ in found]
        if any(names.count(name) > 1 for name in ("content-length", "transfer-encoding")):
            raise Malformed(repr(head))
        return Seen(parts[0].decode("latin-1"), parts[1].decode("latin-1"), found)

    async def _read_body(self, seen: Seen, reader: asyncio.StreamReader) -> None:
        self.unfinished += 1
        try:
            await super()._read_body(seen, reader)
        finally:
            self.unfinished -= 1

    async def _answer(self, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(200, b""))
