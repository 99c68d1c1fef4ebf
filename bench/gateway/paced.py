"""An open loop: requests start at a fixed rate, whether or not the earlier ones were answered.

A request's time counts from the moment when it was due, so a server that pauses pays for all requests
of its pause (coordinated omission). The same client measures the service directly and through a gateway.
"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field

import uvloop

from bench.gateway.load import Load
from bench.gateway.processes import Server, wait_until_idle

CONNECTIONS = 32
TICK_S = 0.0005


@dataclass
class Measured:
    """``times_us``: sorted, of all answers. ``bad``: answers that were not 200, and requests without one."""

    times_us: list[float] = field(default_factory=list)
    bad: int = 0

    def percentile(self, share: float) -> float:
        if not self.times_us:
            return float("nan")
        return self.times_us[min(len(self.times_us) - 1, int(len(self.times_us) * share))]


class Connection(asyncio.Protocol):
    """Sends one request at a time, and reports each answer to ``answered``."""

    def __init__(self, pacer: "Pacer") -> None:
        self._pacer = pacer
        self._got = b""
        self._due = 0.0
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self._pacer.idle.append(self)

    def ask(self, request: bytes, due: float) -> None:
        self._due = due
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._got += data
        end = self._got.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._got[:end].lower()
        start = head.find(b"content-length: ")
        length = int(head[start + 16 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
        if len(self._got) < end + 4 + length:
            return
        is_good = self._got[9:12] == b"200"
        self._got = b""
        self._pacer.answered(self, self._due, is_good)

    def connection_lost(self, exc: Exception | None) -> None:
        self._pacer.lost(self)


class Pacer:
    def __init__(self, request: bytes, rate: float, seconds: float) -> None:
        self.idle: deque[Connection] = deque()
        self.measured = Measured()
        self._request = request
        self._rate = rate
        self._total = int(rate * seconds)
        self._waiting: deque[float] = deque()
        self._pending = 0

    async def run(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(CONNECTIONS):
            await loop.create_connection(lambda: Connection(self), "127.0.0.1", port)
        began = time.perf_counter()
        for number in range(self._total):
            due = began + number / self._rate
            while (left := due - time.perf_counter()) > 0:
                await asyncio.sleep(left if left > TICK_S else 0)
            self._start(due)
        end = time.perf_counter() + 10
        while self._pending and time.perf_counter() < end:
            await asyncio.sleep(0.01)
        self.measured.bad += self._pending
        self.measured.times_us.sort()

    def _start(self, due: float) -> None:
        self._pending += 1
        if self.idle:
            self.idle.popleft().ask(self._request, due)
        else:
            self._waiting.append(due)

    def answered(self, connection: Connection, due: float, is_good: bool) -> None:
        self._pending -= 1
        self.measured.times_us.append((time.perf_counter() - due) * 1e6)
        self.measured.bad += not is_good
        if self._waiting:
            connection.ask(self._request, self._waiting.popleft())
        else:
            self.idle.append(connection)

    def lost(self, connection: Connection) -> None:
        if connection in self.idle:
            self.idle.remove(connection)


def measure(server: Server, load: Load, rate: float, seconds: float) -> Measured:
    fields = "".join(f"{name}: {value}\r\n" for name, value in load.fields.items())
    head = f"{load.method} {server.path}{load.path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n{fields}\r\n"
    wait_until_idle(server)
    pacer = Pacer(head.encode(), rate, seconds)
    uvloop.run(pacer.run(server.port))
    return pacer.measured
