"""The edge in a thread, and a client that sends the given bytes."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from atoll import conf
from atoll.addresses import networks
from atoll.dev import ports
from atoll.discovery.instances import Instance
from atoll.server.listening import listen
from gateway.edge.app import Edge
from gateway.edge.composition import Components, Place
from gateway.edge.config import EdgeConfig
from gateway.edge.http.server import Server
from gateway.edge.http.tls import TLS
from gateway.edge.request_log import Entry, RequestLog
from gateway.edge.upstream.health_checks import Tell
from gateway.tests.upstream import Upstream

T = TypeVar("T")
DEADLINE_S = 30.0
NOWHERE = "http://127.0.0.1:9"


class Nobody(Upstream):
    """An address where nothing listens."""

    def __init__(self) -> None:
        self.port = int(NOWHERE.rsplit(":", 1)[1])


NOBODY = Nobody()


def until(condition: Callable[[], Any], *, within_s: float = DEADLINE_S) -> Any:
    """The first true value of the condition. Fails when it stays false."""
    end = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < end, "the condition stayed false"
        time.sleep(0.005)
    return value


def row(name: str, prefix: str, **fields: Any) -> dict[str, Any]:
    """A route of a table, public unless ``fields`` say otherwise."""
    return {
        "name": name,
        "prefix": prefix,
        "service": "product-service",
        "builtin": None,
        "service_path": "" if fields.get("builtin") else prefix,
        "methods": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
        "access": "public",
        "roles": [],
        "timeout_s": 5,
        "max_body_bytes": 1024 * 1024,
        "rate_limit": 0,
        "rate_window_s": 60,
        "priority": 0,
        **fields,
    }


def table(*routes: dict[str, Any], version: int = 1, cors: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"version": version, "routes": list(routes), "cors": cors or {}}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    reason: bytes = b""

    def json(self) -> Any:
        return json.loads(self.body)


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Gateway:
    """``config`` replaces fields of EdgeConfig, among them ``home``. The rest is that of `Components`."""

    def __init__(
        self,
        home: Path,
        document: dict[str, Any],
        *,
        place: Place | None = None,
        tell_health: Tell | None = None,
        **config: Any,
    ) -> None:
        self._place = place
        self._tell_health = tell_health
        self.clock = Clock()
        self.entries: list[Entry] = []
        self.port = ports.free()
        self._document = document
        self._config = EdgeConfig(
            **{
                "home": home,
                "redis_url": conf.redis_url(),
                "registry_url": NOWHERE,
                "registry_credential": b"Basic dGVzdDp0ZXN0",
                "trusted_proxies": (),
                "metrics_networks": networks("127.0.0.0/8"),
                **config,
            }
        )
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)
        until(self._listens)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self.components = Components(
            self._config,
            RequestLog(self.entries.extend),
            self.clock,
            place=self._place,
            tell_health=self._tell_health,
        )
        self.components.start()
        self.components.tables.publish(self._document)
        server = Server(self.components.door, Edge(self.components).serve, self.loop)
        certificate = self._config.tls_certificate
        self.tls = TLS(certificate, self._config.tls_key) if certificate is not None else None
        looking = self.loop.create_task(self.tls.keep_fresh()) if self.tls is not None else None
        await server.listen([listen("127.0.0.1", self.port)], self.tls)
        self._ready.set()
        await self._stopping.wait()
        server.stop_listening()
        if looking is not None:
            looking.cancel()
        await self.components.stop()

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def run(self, function: Callable[[], T]) -> T:
        """Call it in the edge's own thread."""

        async def call() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(5)

    def knows(self, service: str, *upstreams: Upstream) -> None:
        instances = [
            Instance(f"{service}-{index}", "127.0.0.1", upstream.port)
            for index, upstream in enumerate(upstreams)
        ]
        self.run(lambda: self.components.directory.update(service, instances))

    def publish(self, document: dict[str, Any]) -> None:
        self.run(lambda: self.components.tables.publish(document))

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_S)

    def raw(self, data: bytes, *, head_only: bool = False) -> Answer:
        with self.connect() as connection:
            connection.sendall(data)
            return read_answer(connection, head_only=head_only)

    def request(
        self, method: str, target: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        fields = {"Host": "gateway.test"} | (headers or {})
        if body is not None:
            fields["Content-Length"] = str(len(body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        data = f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + (body or b"")
        return self.raw(data, head_only=method == "HEAD")

    def get(self, target: str, **headers: str) -> Answer:
        return self.request("GET", target, headers={n.replace("_", "-"): v for n, v in headers.items()})


def read_answer(connection: socket.socket, *, head_only: bool = False) -> Answer:
    """One answer; raises ConnectionError when it breaks off."""
    stream = connection.makefile("rb")
    line = stream.readline()
    if not line:
        raise ConnectionError("no answer")
    status = int(line.split()[1])
    headers: dict[str, str] = {}
    while (field := stream.readline()) not in (b"\r\n", b""):
        name, _, value = field.decode("latin-1").strip().partition(": ")
        headers[name.lower()] = value
    if status == 100:
        return read_answer(connection, head_only=head_only)
    body = b""
    if not head_only and headers.get("transfer-encoding") == "chunked":
        while True:
            size_line = stream.readline()
            if not size_line.endswith(b"\r\n"):
                raise ConnectionError("the answer broke off")
            size = int(size_line, 16)
            body += stream.read(size)
            stream.readline()
            if not size:
                break
    elif not head_only and "content-length" in headers:
        body = stream.read(int(headers["content-length"]))
        if len(body) != int(headers["content-length"]):
            raise ConnectionError("the answer broke off")
    return Answer(status, headers, body)
