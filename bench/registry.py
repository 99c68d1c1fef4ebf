"""The cost of a heartbeat in the registry, and the effect of one service's flood on another service.

    make bench-registry                    the registry of this working tree
    make bench-registry before=c8c4065     also, in the same run, the registry of that commit

Needs a PostgreSQL server and a Redis server (DATABASE_URL, REDIS_URL; default: the servers of this
machine). The last line is one JSON object. ``heartbeat_cpu_ms`` is the CPU time of the registry's
processes per heartbeat. ``neighbour_beat_p99_ms`` is the time of a heartbeat on an open connection,
while another service registers as fast as it can and other clients send wrong credentials. Figures
of the former commit have the prefix ``before_``.
"""

import asyncio
import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg2

from atoll import conf
from atoll.dev.servers import real_servers
from atoll.testing.running import eventually

DATABASE = "bench_registry"
INSTANCES = 200
CONNECTIONS = 8
BEATS = 6000
FLOODERS = 60
FLOOD_S = 8.0
READ_S = 3.0
SECRETS = {name: f"bench-secret-of-{name}-that-is-long-enough" for name in conf.projects()}


class Client:
    """A client with one persistent connection."""

    def __init__(self, port: int, service: str, secret: str) -> None:
        self._port = port
        token = base64.b64encode(f"{service}:{secret}".encode()).decode()
        self._head = f"Host: registry\r\nAuthorization: Basic {token}\r\n"
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, method: str, path: str, body: object = None) -> int:
        """Return the status, or 0 for a broken connection."""
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\n{self._head}Content-Length: {len(content)}\r\n\r\n"
        try:
            if self._writer is None:
                self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
            assert self._reader is not None
            self._writer.write(head.encode() + content)
            answer = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(answer.partition("content-length: ")[2].partition("\r\n")[0])
            await self._reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return 0
        return int(answer.split(" ", 2)[1])

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


def instance(number: int) -> dict[str, object]:
    return {"id": f"i-{number}", "host": "127.0.0.1", "port": 20_000 + number, "metadata": {"version": "1"}}


async def measure(port: int, server: psutil.Process) -> dict[str, float]:
    def client(project: str, secret: str | None = None) -> Client:
        return Client(port, conf.project(project).service, secret or SECRETS[project])

    orders = [client("orders") for _ in range(CONNECTIONS)]
    for number in range(INSTANCES):
        body = {"serviceName": "order-service", "instance": instance(number)}
        assert await orders[0].ask("POST", "/register", body) == 201
    found = await _beats(orders, server)
    found |= await _reads(orders)
    neighbour = client("users")
    body = {"serviceName": "user-service", "instance": instance(1000)}
    assert await neighbour.ask("POST", "/register", body) == 201
    flooders = [client("orders") for _ in range(FLOODERS)]
    guessers = [client("payments", "wrong") for _ in range(FLOODERS // 3)]
    return found | await _flooded(neighbour, flooders, guessers)


async def _beats(clients: list[Client], server: psutil.Process) -> dict[str, float]:
    left = iter(range(BEATS))
    statuses: set[int] = set()

    async def beat(client: Client) -> None:
        for number in left:
            body = {"serviceName": "order-service", "instanceId": f"i-{number % INSTANCES}"}
            statuses.add(await client.ask("POST", "/heartbeat", body))

    before_s, begun = _processor_s(server), time.monotonic()
    await asyncio.gather(*(beat(client) for client in clients))
    took_s = time.monotonic() - begun
    used_s = _processor_s(server) - before_s
    assert statuses <= {200, 429}, statuses
    return {"heartbeat_cpu_ms": round(used_s / BEATS * 1000, 3), "heartbeats_per_s": round(BEATS / took_s)}


async def _reads(clients: list[Client]) -> dict[str, float]:
    end, count = time.monotonic() + READ_S, 0

    async def read(client: Client) -> None:
        nonlocal count
        while time.monotonic() < end:
            assert await client.ask("GET", "/discover/order-service") == 200
            count += 1

    await asyncio.gather(*(read(client) for client in clients))
    return {"discover_per_s": round(count / READ_S)}


async def _flooded(neighbour: Client, flooders: list[Client], guessers: list[Client]) -> dict[str, float]:
    end = time.monotonic() + FLOOD_S
    count, refused, times = 0, 0, []

    async def register(client: Client, number: int) -> None:
        nonlocal count
        body = {"serviceName": "order-service", "instance": instance(number % INSTANCES)}
        while time.monotonic() < end:
            await client.ask("POST", "/register", body)
            count += 1

    async def guess(client: Client) -> None:
        while time.monotonic() < end:
            await client.ask("GET", "/services")

    async def beat() -> None:
        nonlocal refused
        while time.monotonic() < end:
            begun = time.monotonic()
            body = {"serviceName": "user-service", "instanceId": "i-1000"}
            refused += await neighbour.ask("POST", "/heartbeat", body) != 200
            times.append(time.monotonic() - begun)
            await asyncio.sleep(0.01)

    flood = [register(client, number) for number, client in enumerate(flooders)]
    await asyncio.gather(beat(), *flood, *(guess(client) for client in guessers))
    times.sort()
    return {
        "neighbour_beat_p50_ms": round(times[len(times) // 2] * 1000, 2),
        "neighbour_beat_p99_ms": round(times[int(len(times) * 0.99)] * 1000, 2),
        "neighbour_beats_refused": refused,
        "flood_registrations_per_s": round(count / FLOOD_S),
    }


def _processor_s(server: psutil.Process) -> float:
    family = [server, *server.children(recursive=True)]
    return sum(sum(process.cpu_times()[:2]) for process in family)


@contextmanager
def registry(root: Path) -> Iterator[tuple[int, psutil.Process]]:
    """Run the registry of ``root`` on an empty database. Yields its port and its process."""
    servers = real_servers()
    _empty_database(servers["DATABASE_URL"])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory(prefix="bench-registry-") as home:
        env = {
            name: value for name, value in os.environ.items() if not name.startswith(("ATOLL_", "DJANGO_"))
        }
        env |= {
            "ATOLL_HOME": home,
            "DJANGO_SETTINGS_MODULE": "registry.settings",
            "PYTHONPATH": f"{root}:{root / 'platform'}",
            "REGISTRY_DATABASE_URL": f"{servers['DATABASE_URL'].rstrip('/')}/{DATABASE}",
            "REDIS_URL": servers["REDIS_URL"],
            "REGISTRY_URL": f"http://127.0.0.1:{port}",
            "REGISTRY_SECRET_KEY": "bench",
            "LOG_LEVEL": "ERROR",
        }
        env |= {f"{name.upper()}_SERVICE_SECRET": secret for name, secret in SECRETS.items()}
        django = [sys.executable, "-m", "django"]
        for command in (["migrate", "-v0"], ["sync_credentials"]):
            subprocess.run([*django, *command], cwd=root, env=env, check=True, capture_output=True)
        process = subprocess.Popen([*django, "serve", "--port", str(port)], cwd=root, env=env)
        try:
            eventually(lambda: _answers(port), timeout_s=60)
            yield port, psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(20)


def _answers(port: int) -> bool:
    async def ask() -> int:
        client = Client(port, "user-service", SECRETS["users"])
        try:
            return await client.ask("GET", "/services")
        finally:
            client.close()

    return asyncio.run(ask()) == 200


def _empty_database(url: str) -> None:
    parts = urlsplit(url)
    connection = psycopg2.connect(
        host=parts.hostname,
        port=parts.port,
        user=parts.username,
        password=parts.password,
        dbname="postgres",
    )
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {DATABASE}")
    connection.close()


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """Yield a temporary folder with the repository at ``commit``."""
    folder = Path(tempfile.mkdtemp(prefix="bench-before-"))
    archive = subprocess.run(
        ["git", "archive", commit], cwd=conf.root(), check=True, capture_output=True
    ).stdout
    try:
        subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
        yield folder
    finally:
        shutil.rmtree(folder)


def run(root: Path) -> dict[str, float]:
    with registry(root) as (port, server):
        return asyncio.run(measure(port, server))


def main(arguments: list[str]) -> None:
    figures = run(conf.root())
    if arguments:
        with checked_out(arguments[0]) as root:
            figures |= {f"before_{name}": value for name, value in run(root).items()}
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1:])
