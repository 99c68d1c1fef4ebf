"""A whole worker tells the registry of a failure, whichever process of it ran the handler."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from atoll.bus.models import Delivery
from atoll.bus.publishing import publish_raw

from .conftest import Until
from .worker import running

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.processes]


class Registry(BaseHTTPRequestHandler):
    """Takes every call, and keeps the reports of failures."""

    server: Any

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/failing":
            self.server.reports.append(json.loads(body))
        answer = b'{"wanted":[],"status":"ok"}'
        self.send_response(202)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: Any) -> None: ...


@pytest.fixture
def registry() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    server.reports = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_a_worker_tells_that_nothing_fails_and_then_the_cause(
    valkey: str, registry: Any, tmp_path: Path, until: Until, pool: str
) -> None:
    address = f"http://127.0.0.1:{registry.server_port}"
    with running(tmp_path / "worker", REGISTRY_URL=address, WORKER_POOL=pool, TRACES="false") as worker:
        until(lambda: registry.reports)
        assert registry.reports[0]["causes"] == []
        with transaction.atomic():
            publish_raw("note.slow", {"text": "late", "holdS": 1.5})
        until(lambda: Delivery.objects.filter(status="dead").exists())
        until(lambda: registry.reports[-1]["causes"])
        code, _took_s = worker.terminate()
    assert code == 0
    [cause] = registry.reports[-1]["causes"]
    assert (cause["name"], cause["failing"], cause["dead"]) == ("note.slow", 0, 1)
    assert cause["handler"] == "testproject.handlers.take_too_long"
    assert registry.reports[-1]["serviceName"] == "library-service"
