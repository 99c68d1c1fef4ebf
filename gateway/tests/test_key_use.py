"""The use of an API key reaches the row of the key, from an edge process of its own."""

import socket
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from atoll import conf
from gateway.callers import ApiKey, Consumer
from gateway.edge.identity.api_keys import digest, make_key
from gateway.edge_processes import EdgeProcesses
from gateway.serving import Recorder
from gateway.tests.harness import row, table, until
from gateway.tests.upstream import Upstream
from gateway.usecases.api_keys import issue_key


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_an_edge_process_tells_its_parent_which_keys_were_used(
    listener: socket.socket, tmp_path: Path, upstream: Upstream
) -> None:
    key, key_id = make_key()
    told: dict[str, float] = {}
    processes = EdgeProcesses(
        1,
        [listener],
        variables={
            "ATOLL_HOME": str(tmp_path),
            "GATEWAY_SERVICE_SECRET": "s" * 40,
            "REDIS_URL": conf.redis_url(),
        },
        store=lambda rows: None,
        note_keys=told.update,
    )
    machine = {"id": key_id, "digest": digest(key)}
    consumer = {"id": "scanner", "name": "Scanner", "allows": {"mine": ["GET"]}, "keys": [machine]}
    route = row("mine", "/mine", access="signed_in", service="thing-service")
    place = {"name": "thing-service", "url": f"http://127.0.0.1:{upstream.port}"}
    processes.publish(table(route) | {"consumers": [consumer], "services": [place]})
    try:
        processes.start()
        port = listener.getsockname()[1]
        until(lambda: _status(port, key) == 200)
        processes.drain(5)
        until(lambda: told)
    finally:
        processes.kill()
    assert {*told} == {key_id}


def _status(port: int, key: str) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/mine/x", headers={"X-API-Key": key})
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_the_parent_stores_the_use_in_its_thread() -> None:
    made, _ = issue_key(Consumer.objects.create(code="scanner", name="Scanner"), by="ada")
    recorder = Recorder()
    recorder.start()
    recorder.note_keys({made.key_id: 1_790_000_000})
    recorder.stop()

    used: Any = ApiKey.objects.get(pk=made.pk).last_used_at
    assert used.timestamp() == 1_790_000_000
    assert not any(thread.name == "request-log" for thread in threading.enumerate())
