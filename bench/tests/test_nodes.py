"""The processor time of the broker is that of the node that the platform uses."""

import socket
import subprocess
import sys

import psutil
import pytest

from bench import meters

LISTEN = (
    "import socket, sys\ns = socket.create_server(('127.0.0.1', {port}))\nprint(flush=True)\nsys.stdin.read()"
)
IDLE = "import sys\nprint(flush=True)\nsys.stdin.read()"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def nodes(monkeypatch):
    """The port of one process, and the ids of it and of a second one that does not listen."""
    port = free_port()
    started = [
        subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for script in (LISTEN.format(port=port), IDLE)
    ]
    found = []
    for process in started:
        assert process.stdout
        process.stdout.readline()
        found.append(psutil.Process(process.pid))
        found[-1].info = {"name": "beam.smp"}
    monkeypatch.setattr(psutil, "process_iter", lambda _: found)
    monkeypatch.setattr(meters, "_cpu", lambda process, **_: float(process.pid))
    yield port, *(process.pid for process in started)
    for process in started:
        process.communicate()


def test_another_node_on_the_machine_does_not_count(nodes):
    port, listening, _ = nodes
    assert meters.cpu_of_rabbitmq(port) == listening


def test_all_nodes_count_when_none_is_seen_to_listen(nodes):
    _, listening, idle = nodes
    assert meters.cpu_of_rabbitmq(free_port()) == listening + idle


def test_without_a_node_there_is_no_figure(monkeypatch):
    monkeypatch.setattr(psutil, "process_iter", lambda _: [])
    assert meters.cpu_of_rabbitmq(5672) is None
