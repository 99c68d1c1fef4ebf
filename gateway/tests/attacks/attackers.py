"""A process of hostile clients.

``python -m gateway.tests.attacks.attackers KIND PORT COUNT DOORS ADDRESS...`` opens its connections from
these loopback addresses in turn and asks for these paths (``DOORS``, with commas between). It says ``ready``,
opens each connection again that the gateway closes, and goes on until it is ended. It yields to every other
process: the processors of real attackers are not the gateway's.
"""

import asyncio
import os
import resource
import socket
import sys
from collections.abc import Awaitable, Callable
from itertools import cycle

DRIP_S = 0.5
PAUSE_S = 0.1
LEAST_PRIORITY = 19
REOPEN_S = 2.0  # a flood of new connections is another attack
DOORS = (
    "/open/x",
    "/mine/x",
    "/nowhere/x",
    "/health/live",
    "/metrics",
    "/admin/",
    "/admin/login/",
    "/console/",
    "/api/products/small",
)
HEAD = b"POST %b HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 500000\r\n\r\n"
CHUNKED = b"POST %b HTTP/1.1\r\nHost: gateway.test\r\nTransfer-Encoding: chunked\r\n\r\n"
DOWNLOAD = b"GET %b HTTP/1.1\r\nHost: gateway.test\r\n\r\n"
UPLOADED_BYTES = 100_000
SMALL_WINDOW_BYTES = 4096

Attack = Callable[[socket.socket, str], Awaitable[None]]


async def silent(connection: socket.socket, door: str) -> None:
    """Says nothing."""
    await _until_closed(connection)


async def heads(connection: socket.socket, door: str) -> None:
    """Sends a head, byte by byte, for ever."""
    await _drip(
        connection, b"GET " + door.encode() + b" HTTP/1.1\r\nHost: gateway.test\r\nX-Pad: " + b"a" * 10_000
    )


async def bodies(connection: socket.socket, door: str) -> None:
    """Sends a body, byte by byte."""
    await _send(connection, HEAD % door.encode())
    await _drip(connection, b"a" * 10_000)


async def chunks(connection: socket.socket, door: str) -> None:
    """Sends chunks of a byte."""
    await _send(connection, CHUNKED % door.encode())
    await _drip(connection, b"1\r\na\r\n" * 10_000)


async def uploads(connection: socket.socket, door: str) -> None:
    """Sends a part of a body at once and then nothing."""
    await _send(connection, HEAD % door.encode() + b"a" * UPLOADED_BYTES)
    await _until_closed(connection)


async def downloads(connection: socket.socket, door: str) -> None:
    """Asks for a long answer and does not read it."""
    await _send(connection, DOWNLOAD % door.encode())
    while True:
        await asyncio.sleep(PAUSE_S)
        if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            return


async def resets(connection: socket.socket, door: str) -> None:
    """Asks and goes away without reading the answer."""
    await _send(connection, DOWNLOAD % door.encode())
    await asyncio.sleep(PAUSE_S)


KINDS: dict[str, Attack] = {
    one.__name__: one for one in (silent, heads, bodies, chunks, uploads, downloads, resets)
}


async def _send(connection: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(connection, data)


async def _drip(connection: socket.socket, data: bytes) -> None:
    for byte in data:
        await _send(connection, bytes([byte]))
        await asyncio.sleep(DRIP_S)


async def _until_closed(connection: socket.socket) -> None:
    while await asyncio.get_running_loop().sock_recv(connection, 65_536):
        pass


async def attack(kind: str, port: int, count: int, addresses: list[str], doors: list[str]) -> None:
    opened = asyncio.Semaphore(0)
    source, door = cycle(addresses), cycle(doors)
    clients = [
        asyncio.create_task(_client(KINDS[kind], port, next(source), next(door), opened))
        for _ in range(count)
    ]
    for _ in range(count):
        await opened.acquire()
    print("ready", flush=True)
    await asyncio.gather(*clients)


async def _client(attack: Attack, port: int, source: str, door: str, opened: asyncio.Semaphore) -> None:
    loop = asyncio.get_running_loop()
    while True:
        connection = socket.socket()
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_WINDOW_BYTES)
        try:
            connection.bind((source, 0))
            await loop.sock_connect(connection, ("127.0.0.1", port))
            opened.release()
            await attack(connection, door)
        except OSError:
            opened.release()
        finally:
            connection.close()
        await asyncio.sleep(REOPEN_S)


def main(argv: list[str]) -> None:
    kind, port, count, doors, *addresses = argv
    os.nice(LEAST_PRIORITY)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(attack(kind, int(port), int(count), addresses, doors.split(",")))


if __name__ == "__main__":
    main(sys.argv[1:])
