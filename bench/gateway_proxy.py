"""Requests per second through the gateway on one core, compared with direct requests to the backend.

    python bench/gateway_proxy.py [--seconds 5] [--connections 32]

Needs wrk and Linux. The gateway runs in its shipped form (`gateway.asgi` on Granian, one
worker pinned to one core) from a route table on disk, without database and store. The
backend and wrk share another core. ``cpu_us_per_request`` is the gateway's CPU time;
other load on the machine affects it least. ``granian_cpu_us`` is the CPU time of an
application that answers at once, so the difference is the gateway's own. The last line
is one JSON object.
"""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import uvloop

ROOT = Path(__file__).resolve().parents[1]
BODY = b'{"products":"%b"}' % (b"x" * 80)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(BODY),
    BODY,
)
TABLE = {
    "version": 1,
    "routes": [
        {
            "name": "products", "prefix": "/api/products", "service": "product-service", "builtin": None,
            "service_path": "/products", "methods": ["GET"], "access": "public", "timeout_s": 5,
            "max_body_bytes": 1000, "rate_limit": 0, "rate_window_s": 60, "priority": 0,
        }
    ],
    "cors": {},
}  # fmt: skip
HELLO = f"""
BODY = {BODY!r}

async def application(scope, receive, send):
    headers = [(b"content-length", b"{len(BODY)}")]
    await send({{"type": "http.response.start", "status": 200, "headers": headers}})
    await send({{"type": "http.response.body", "body": BODY, "more_body": False}})
"""


class Backend(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(ANSWER)


def backend(port: int, core: int) -> None:
    os.sched_setaffinity(0, {core})

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Backend, "127.0.0.1", port)
        await server.serve_forever()

    uvloop.run(serve())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    end = time.monotonic() + 20
    while True:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        if time.monotonic() > end:
            sys.exit(f"nothing listens on port {port}")
        time.sleep(0.05)


@contextlib.contextmanager
def granian(
    target: str, core: int, folder: Path, environment: dict[str, str]
) -> Iterator[tuple[int, psutil.Process]]:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "granian",
        "--interface",
        "asgi",
        "--http",
        "1",
        "--loop",
        "uvloop",
        "--no-ws",
    ]
    with (folder / "granian.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port), target],
            cwd=folder,
            env=os.environ | environment,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
            stdout=log,
            stderr=log,
        )
    try:
        wait_for(port)
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(10)


def measure(
    port: int, path: str, core: int, arguments: argparse.Namespace, server: psutil.Process
) -> dict[str, Any]:
    processes = [server, *server.children(recursive=True)]

    def cpu_s() -> float:
        return sum(sum(process.cpu_times()[:2]) for process in processes)

    load = ["wrk", "-t1", f"-c{arguments.connections}", "--latency", f"http://127.0.0.1:{port}{path}"]
    subprocess.run(["taskset", "-c", str(core), *load, "-d1s"], capture_output=True, check=True)
    before = cpu_s()
    done = subprocess.run(
        ["taskset", "-c", str(core), *load, f"-d{arguments.seconds}s"],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    spent_s = cpu_s() - before
    if "Non-2xx" in done:
        sys.exit(f"some answers were errors:\n{done}")
    requests = int(re.search(r"(\d+) requests in", done)[1])  # type: ignore[index]
    return {
        "per_s": round(float(re.search(r"Requests/sec:\s+([\d.]+)", done)[1])),  # type: ignore[index]
        "cpu_us": round(spent_s / requests * 1e6, 1),
        "p50": re.search(r"^ +50% +(\S+)$", done, re.MULTILINE)[1],  # type: ignore[index]
        "p99": re.search(r"^ +99% +(\S+)$", done, re.MULTILINE)[1],  # type: ignore[index]
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=32)
    arguments = parser.parse_args()
    ours, others = 0, min(1, (os.cpu_count() or 1) - 1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "gateway").mkdir()
        (folder / "gateway" / "snapshot.json").write_text(json.dumps(TABLE))
        (folder / "hello.py").write_text(HELLO)
        backend_port = free_port()
        behind = multiprocessing.get_context("spawn").Process(
            target=backend, args=(backend_port, others), daemon=True
        )
        behind.start()
        wait_for(backend_port)
        environment = {
            "ATOLL_ROOT": str(ROOT),
            "ATOLL_HOME": name,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'platform'}",
            "PRODUCT_SERVICE_URL": f"http://127.0.0.1:{backend_port}",
            "GATEWAY_DATABASE_URL": "postgres://127.0.0.1:9/none",
            "REDIS_URL": "redis://127.0.0.1:9/0",
            "GATEWAY_SECRET_KEY": secrets.token_urlsafe(),
            "GATEWAY_SERVICE_SECRET": secrets.token_urlsafe(),
        }
        direct = measure(backend_port, "/", others, arguments, psutil.Process(behind.pid))
        with granian("hello:application", ours, folder, {}) as (port, process):
            hello = measure(port, "/", others, arguments, process)
        with granian("gateway.asgi:application", ours, folder, environment) as (port, process):
            proxied = measure(port, "/api/products", others, arguments, process)
        behind.terminate()
    result = {
        "proxied_per_s": proxied["per_s"],
        "cpu_us_per_request": proxied["cpu_us"],
        "per_core_s": round(1e6 / proxied["cpu_us"]),
        "p50": proxied["p50"],
        "p99": proxied["p99"],
        "direct_per_s": direct["per_s"],
        "ratio_to_direct": round(proxied["per_s"] / direct["per_s"], 2),
        "granian_cpu_us": hello["cpu_us"],
        "load_average": os.getloadavg()[0],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
