"""A second instance is one command, and stopping one costs no request: with real processes."""

import ctypes
import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
import requests

from atoll.client import ServiceClient
from atoll.client.pool import Pool
from atoll.dev.servers import accepts_connections
from atoll.testing import pace
from atoll.testing.running import eventually
from server.running import SERVICE

# Else pytest-django makes no database where these tests run by themselves.
pytestmark = pytest.mark.django_db
LIBC = ctypes.CDLL(None)
CALLERS = 4
ENOUGH = 40
STOP_DEADLINE_S = 8.0  # on an idle machine


class Traffic:
    """Callers that never stop asking, with a request that may not be repeated."""

    def __init__(self, discovery):
        self.client = ServiceClient(SERVICE, pool=Pool(), resolve=discovery.resolve)
        self.answered = []
        self.failed = []
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(CALLERS)]

    def _call(self):
        while not self._stopping.is_set():
            try:
                reply = self.client.post("/echo", json={"a": 1}, token=False)
                assert reply.status == 200
                self.answered.append(reply.instance_id)
            except Exception as error:
                self.failed.append(error)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def after(self, count):
        """Waits until that many more requests were answered; who answered them."""
        begun = len(self.answered)
        eventually(lambda: len(self.answered) >= begun + count, what=f"{count} more answers; {self.failed}")
        return set(self.answered[begun:])


def test_a_second_instance_shares_the_traffic_and_stopping_it_costs_no_request(world, discovery):
    first = world.serve("--port", "0")
    (before,) = world.wait_for(1)
    with Traffic(discovery) as traffic:
        assert traffic.after(ENOUGH) == {before["id"]}

        second = world.serve("--port", "0")
        both = {instance["id"] for instance in world.wait_for(2)}
        eventually(lambda: traffic.after(ENOUGH) == both, what="both instances answer")

        begun = time.monotonic()
        assert first.terminate() == 0, first.printed()
        took_s = pace.idle_seconds(time.monotonic() - begun, STOP_DEADLINE_S)
        left = both - {before["id"]}
        assert {instance["id"] for instance in world.discovered()} == left
        assert traffic.after(ENOUGH) == left

    assert traffic.failed == []
    assert took_s < STOP_DEADLINE_S
    assert second.terminate() == 0
    assert world.discovered() == []


def test_a_request_that_runs_when_the_server_stops_is_answered(world):
    process = world.serve("--port", "0")
    (instance,) = world.wait_for(1)
    address = ("127.0.0.1", instance["port"])
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(
            b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b'Content-Length: 9\r\n\r\n{"a": '
        )
        process.popen.send_signal(signal.SIGTERM)
        eventually(lambda: not accepts_connections(*address), what="no new connection is taken")
        connection.sendall(b"42}")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))  # until the server closes

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b'{"data":{"a":42}}')
    assert process.popen.wait(10) == 0


def test_a_worker_that_dies_is_replaced_and_the_instance_stays_registered(world):
    process = world.serve("--port", "0")
    (instance,) = world.wait_for(1)
    url = f"http://127.0.0.1:{instance['port']}/health/live"
    (worker,) = process.workers()

    os.kill(worker, signal.SIGKILL)

    eventually(lambda: process.workers() not in ([worker], []), what="another worker")
    assert requests.get(url, timeout=10).status_code == 200, "waited in the queue, was not refused"
    assert [found["id"] for found in world.discovered()] == [instance["id"]]
    assert process.terminate() == 0


@pytest.mark.skipif(not hasattr(LIBC, "tgkill"), reason="the system cannot send a signal to one thread")
def test_a_signal_that_wakes_another_thread_stops_the_server(world):
    """The main thread, which alone runs handlers, sleeps on, as after a signal just before its sleep."""
    process = world.serve("--port", "0")
    world.wait_for(1)
    main = process.popen.pid
    other = next(int(task.name) for task in Path(f"/proc/{main}/task").iterdir() if int(task.name) != main)

    assert LIBC.tgkill(main, other, signal.SIGTERM) == 0

    assert process.popen.wait(60) == 0
    world.wait_for(0)


def test_a_parent_that_is_killed_leaves_no_worker_behind(world):
    process = world.serve("--port", "0")
    (instance,) = world.wait_for(1)
    (worker,) = process.workers()

    process.popen.kill()
    process.popen.wait()

    eventually(
        lambda: not os.path.exists(f"/proc/{worker}/status") or is_dead(worker), what="the worker ends"
    )
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{instance['port']}/health/live", timeout=2)
    world.bury(instance["id"])


def is_dead(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0] == "Z"


def test_a_busy_port_is_named_with_what_to_do(world):
    process = world.serve("--port", str(world.registry_port))

    assert process.popen.wait(30) == 1
    assert f"127.0.0.1:{world.registry_port} is used by another program" in process.printed()
    assert "--port" in process.printed()


def test_without_a_registry_an_instance_serves_and_registers_when_it_comes_back(world):
    assert world.registry.terminate() == 0
    process = world.serve("--port", "0")
    eventually(lambda: "ready: http://" in process.printed(), timeout_s=30, what="it serves")
    port = process.printed().split("ready: http://127.0.0.1:")[1].split('"')[0]
    ready = f"http://127.0.0.1:{int(port)}/health/ready"
    eventually(
        lambda: requests.get(ready, timeout=5).status_code == 200, what="it is ready without a registry"
    )

    world.start_registry()

    eventually(
        lambda: int(port) in [instance["port"] for instance in world.discovered()],
        timeout_s=30,
        what="it registers by itself",
    )
    assert process.terminate() == 0


OPERATE = """
from registry.models import Instance
from registry.usecases.drain import drain, undrain
{verb}(Instance.objects.get(instance_id="{id}"), actor="test")
"""


def test_an_operator_s_drain_reaches_the_process_and_is_taken_back(world):
    process = world.serve("--port", "0")
    (instance,) = world.wait_for(1)
    base = f"http://127.0.0.1:{instance['port']}/health"

    def readiness():
        return requests.get(f"{base}/ready", timeout=5).status_code

    assert readiness() == 200
    world.manage_registry("shell", "-c", OPERATE.format(verb="drain", id=instance["id"]))
    assert world.discovered() == []
    eventually(lambda: readiness() == 503, what="it hears of the drain")
    assert requests.get(f"{base}/live", timeout=5).status_code == 200, "it goes on answering"

    world.manage_registry("shell", "-c", OPERATE.format(verb="undrain", id=instance["id"]))
    eventually(lambda: readiness() == 200, what="it hears that it is wanted again")
    assert [found["id"] for found in world.discovered()] == [instance["id"]]
    assert process.terminate() == 0
