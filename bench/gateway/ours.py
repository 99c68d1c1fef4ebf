"""The gateway as its users start it: ``manage.py gateway serve`` with a table that was published."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psycopg2

from atoll import conf
from bench.gateway import processes
from bench.gateway.processes import Server
from bench.gateway.surroundings import Surroundings

# All clients of the benchmark have one address.
MANY_CONNECTIONS = {"GATEWAY_CONNECTIONS": "16000", "GATEWAY_CONNECTIONS_PER_ADDRESS": "16000"}
ORIGIN = "https://shop.example"
LIMIT = 1_000_000_000
READY_S = 30.0
PUBLISH = "INSERT INTO gateway_publication (version, document, by) VALUES (1, %s, 'bench')"


@dataclass(frozen=True)
class Features:
    """What the gateway does beside forwarding. Correlation ids are always on."""

    token: bool = True
    limit: bool = True
    cors: bool = True
    log: bool = True
    traces: bool = True


def table(features: Features) -> dict[str, Any]:
    return {
        "version": 1,
        "routes": [
            {
                "name": "products",
                "prefix": "/api/products",
                "service": "product-service",
                "builtin": None,
                "service_path": "/products",
                "methods": ["GET", "HEAD", "POST"],
                "access": "signed_in" if features.token else "public",
                "roles": [],
                "timeout_s": 10,
                "max_body_bytes": 1024 * 1024,
                "rate_limit": LIMIT if features.limit else 0,
                "rate_window_s": 60,
                "priority": 0,
                "websocket": True,
            }
        ],
        # Its peers bound nothing: with 512 connections, more than the usual 400 requests are in flight.
        "services": [{"name": "product-service", "max_in_flight": 100_000}],
        "cors": {"origins": [ORIGIN], "credentials": True} if features.cors else {},
    }


def environment(home: Path, around: Surroundings, features: Features) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ATOLL_", "DJANGO_"))}
    root = conf.root()
    return kept | {
        "ATOLL_ROOT": str(root),
        "ATOLL_HOME": str(home),
        "ATOLL_ALLOW_ROOT": "1",
        "PYTHONPATH": f"{root}{os.pathsep}{root / 'platform'}",
        "GATEWAY_DATABASE_URL": around.database_url,
        "REDIS_URL": around.redis_url,
        "RABBITMQ_URL": around.redis_url,
        "REGISTRY_URL": around.registry_url,
        "USER_SERVICE_URL": around.registry_url,
        "GATEWAY_SECRET_KEY": "bench-secret-key-that-is-long-enough-for-everything",
        "GATEWAY_SERVICE_SECRET": "bench-secret-of-the-gateway-that-is-long-enough",
        "GATEWAY_ACCESS_LOG": "true" if features.log else "false",
        "TRACES": "true" if features.traces else "false",
    }


@contextmanager
def running(
    home: Path,
    around: Surroundings,
    core: int,
    features: Features | None = None,
    *,
    measured: bool = True,
) -> Iterator[Server]:
    """The gateway, ready, with an own home and an own empty database.

    Without ``measured`` it has its usual limits on connections.
    """
    features = features or Features()
    folder = home / f"atoll-{time.monotonic_ns()}"
    folder.mkdir()
    variables = environment(folder, around, features) | (MANY_CONNECTIONS if measured else {})
    manage = [sys.executable, str(conf.root() / "manage.py"), "gateway"]
    with psycopg2.connect(around.database_url) as database, database.cursor() as cursor:
        cursor.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    subprocess.run([*manage, "migrate", "-v0"], env=variables, check=True, stdout=subprocess.DEVNULL)
    with psycopg2.connect(around.database_url) as database, database.cursor() as cursor:
        cursor.execute(PUBLISH, [json.dumps(table(features))])
    port = processes.free_port()
    with processes.running(
        "atoll",
        [*manage, "serve", "--port", str(port)],
        port,
        core,
        folder / "log",
        environment=variables,
        path="/api/products",
    ) as server:
        wait_until_ready(port, around.token)
        yield server


def wait_until_ready(port: int, token: str) -> None:
    """Until the gateway forwards requests. Exits when it does not."""
    asked = Request(
        f"http://127.0.0.1:{port}/api/products/small", headers={"Authorization": f"Bearer {token}"}
    )
    end = time.monotonic() + READY_S
    while True:
        try:
            with urlopen(asked) as answer:  # noqa: S310 - a fixed address of this machine
                answer.read()
            return
        except OSError as error:
            problem = error
        if time.monotonic() > end:
            sys.exit(f"the gateway does not forward requests: {problem}")
        time.sleep(0.1)
