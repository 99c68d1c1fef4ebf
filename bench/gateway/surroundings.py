"""What a gateway asks beside the service: the registry, the keys of users, Redis and PostgreSQL.

Registry and users are one small server that answers as theirs do. It is asked a few times a minute.
"""

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from atoll.dev import valkey
from atoll.ids import uuid7
from atoll.testing import tokens
from bench import postgres
from bench.gateway.processes import free_port

PREFIX = "bench_gateway_"
LONGEST_WAIT_S = 25.0
TOKEN_LIFE_S = 4 * 3600


@dataclass(frozen=True)
class Surroundings:
    database_url: str
    redis_url: str
    registry_url: str
    public_key: Path
    token: str


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    ports: ClassVar[list[int]] = []

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        if asked.path == "/.well-known/jwks.json":
            self._answer(tokens.jwks())
        elif asked.path == "/.well-known/revocations.json":
            self._answer({"revoked": {}})
        elif asked.path.startswith("/discover/"):
            if wait := parse_qs(asked.query).get("wait"):
                time.sleep(min(float(wait[0]), LONGEST_WAIT_S))
            self._answer(
                self._instances(asked.path), ("X-Registry-Index", "1"), ("X-Registry-List", "current")
            )
        else:
            self._answer({})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer({"status": "ok"})

    def log_message(self, *args: Any) -> None:
        """Says nothing."""

    def _instances(self, path: str) -> list[dict[str, Any]]:
        if not path.endswith("/product-service"):
            return []
        return [
            {"id": f"product-{port}", "host": "127.0.0.1", "port": port, "metadata": {}}
            for port in self.ports
        ]

    def _answer(self, document: Any, *fields: tuple[str, str]) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        for name, value in (
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            *fields,
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class RegistryAndUsers(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A gateway that ends breaks the request that it waits for."""


@contextmanager
def running(home: Path, ports: list[int]) -> Iterator[Surroundings]:
    """``ports`` are those of the instances of product-service."""
    with ExitStack() as stack:
        database = stack.enter_context(postgres.running(PREFIX))
        database.rows("postgres", f"CREATE DATABASE {PREFIX}gateway")
        redis_url = stack.enter_context(_redis(home))
        registry_url = stack.enter_context(_registry(ports))
        key = home / "public.pem"
        key.write_bytes(_public_key())
        yield Surroundings(f"{database.url}/{PREFIX}gateway", redis_url, registry_url, key, _token())


@contextmanager
def _redis(home: Path) -> Iterator[str]:
    made = valkey.prepare(home)
    process = subprocess.Popen(made.argv, stdout=subprocess.DEVNULL)
    try:
        yield made.url(valkey.CACHE_DATABASE)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _registry(ports: list[int]) -> Iterator[str]:
    port = free_port()
    Handler.ports = ports
    server = RegistryAndUsers(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.shutdown()


def _token() -> str:
    """Of a customer, valid for the longest run."""
    who = {"roles": [], "email": "bench@atoll.example", "name": "Ben Ch"}
    return tokens.sign(tokens.claims(uuid7(), exp=int(time.time()) + TOKEN_LIFE_S, **who))


def _public_key() -> bytes:
    key = tokens.private_key().public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
