"""WebSocket messages to an echo service and back, through the gateway and through nginx, in one run.

    python -m bench.gateway.messages [--seconds 5]

CONNECTIONS clients each send a message of 64 bytes as soon as the last one came back. The server under test
has one core; clients and service share the other. The last line is one JSON object: ``NAME_per_s``,
``NAME_cpu_us`` (processor time of the server for a message and its echo), their ``ratios``, and ``bad``, the
connections that were refused or ended: 0.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

import uvloop

from bench import ending
from bench.gateway import ours, peers, processes, surroundings, tools
from bench.gateway.processes import Server, free_port, wait_until_idle

CONNECTIONS = 32
BYTES = 64
# A masked text frame of a client, with the key 0, and the service's frame without a mask (RFC 6455 §5.2).
ASKED = bytes([0x81, 0x80 | BYTES]) + bytes(4) + b"a" * BYTES
ECHOED = bytes([0x81, BYTES]) + b"a" * BYTES
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
HANDSHAKE = (
    "GET {path}/socket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Authorization: Bearer {token}\r\n\r\n"
)
READY = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


class Echo(asyncio.Protocol):
    """The service: answers a handshake, then each whole message; any other request with 200."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._is_switched = False
        self._left = 0

    def data_received(self, data: bytes) -> None:
        if not self._is_switched:
            self._is_switched = b"upgrade: websocket" in data.lower()
            self._transport.write(SWITCHED if self._is_switched else READY)
            return
        count, self._left = divmod(self._left + len(data), len(ASKED))
        if count:
            self._transport.write(ECHOED * count)


class Client(asyncio.Protocol):
    """Sends the next message when the last one came back. ``echoed`` counts those since it was set to 0."""

    def __init__(self, handshake: bytes) -> None:
        self._handshake = handshake
        self._head = b""
        self._left = 0
        self.is_open = False
        self.has_failed = False
        self.is_running = True
        self.echoed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._handshake)

    def data_received(self, data: bytes) -> None:
        if not self.is_open:
            self._head += data
            if b"\r\n\r\n" not in self._head:
                return
            self.is_open = self._head.startswith(b"HTTP/1.1 101")
            self.has_failed = not self.is_open
            if self.is_open:
                self.transport.write(ASKED)
            return
        count, self._left = divmod(self._left + len(data), len(ECHOED))
        self.echoed += count
        if count and self.is_running:
            self.transport.write(ASKED)

    def connection_lost(self, error: Exception | None) -> None:
        self.has_failed = self.has_failed or self.is_running


async def exchange(server: Server, token: str, seconds: float) -> tuple[int, float, int]:
    """The messages that came back, the server's processor time in seconds, and the failed connections."""
    loop = asyncio.get_running_loop()
    handshake = HANDSHAKE.format(path=server.path, token=token).encode()
    clients = []
    for _ in range(CONNECTIONS):
        _, client = await loop.create_connection(lambda: Client(handshake), "127.0.0.1", server.port)
        clients.append(client)
    await asyncio.sleep(1)  # to warm up
    for client in clients:
        client.echoed = 0
    before = server.cpu_s()
    await asyncio.sleep(seconds)
    spent_s, echoed = server.cpu_s() - before, sum(client.echoed for client in clients)
    failed = sum(client.has_failed or not client.is_open for client in clients)
    for client in clients:
        client.is_running = False
        client.transport.close()
    return echoed, spent_s, failed


@contextmanager
def echo_service(home: Path, core: int) -> Iterator[list[int]]:
    """Its two ports."""
    ports = [free_port(), free_port()]
    command = [sys.executable, "-m", "bench.gateway.messages", "--echo", ",".join(map(str, ports))]
    with processes.running("echo", command, ports[0], core, home / "echo.log"):
        yield ports


async def serve(ports: list[int]) -> None:
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(Echo, "127.0.0.1", port) for port in ports]
    await asyncio.gather(*(server.serve_forever() for server in servers))


def measured(home: Path, seconds: float, stack: ExitStack) -> dict[str, Any]:
    cores = sorted(os.sched_getaffinity(0))
    core, other = cores[0], cores[1 % len(cores)]
    os.sched_setaffinity(0, {other})
    ports = stack.enter_context(echo_service(home, other))
    around = stack.enter_context(surroundings.running(home, ports))
    found: dict[str, Any] = {"bad": 0}
    for name, running in (
        ("nginx", peers.nginx(home, around, ports, core)),
        ("atoll", ours.running(home, around, core)),
    ):
        with running as server:
            wait_until_idle(server)
            began = time.monotonic()
            echoed, spent_s, failed = asyncio.run(exchange(server, around.token, seconds))
            print(f"{name}: {echoed} messages, {failed} failed, {time.monotonic() - began:.1f} s", flush=True)
        found[f"{name}_per_s"] = round(echoed / seconds)
        found[f"{name}_cpu_us"] = round(spent_s / max(1, echoed) * 1e6, 1)
        found["bad"] += failed
    found["ratios"] = {
        "nginx": round(found["atoll_per_s"] / max(1, found["nginx_per_s"]), 2),
        "nginx_cpu": round(found["atoll_cpu_us"] / max(0.1, found["nginx_cpu_us"]), 2),
    }
    return found


def main(argv: list[str]) -> int:
    ending.exit_on_sigterm()
    parser = argparse.ArgumentParser(prog="python -m bench.gateway.messages")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each server (5)")
    parser.add_argument("--echo", metavar="PORTS", help=argparse.SUPPRESS)
    chosen = parser.parse_args(argv)
    uvloop.install()
    if chosen.echo:
        asyncio.run(serve([int(port) for port in chosen.echo.split(",")]))
        return 0
    tools.install(["nginx"])
    with tempfile.TemporaryDirectory(prefix="atoll-bench-") as home, ExitStack() as stack:
        print(json.dumps(measured(Path(home), chosen.seconds, stack)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
