"""Real edge processes: they serve, are replaced, drain, and change hands without a lost request."""

import asyncio
import os
import signal
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from atoll.dev import ports
from atoll.server.listening import listen
from gateway import handover
from gateway.handover import Handover, NobodyToFollow, Predecessor
from gateway.tests.harness import row, table, until
from gateway.tests.running import Running
from gateway.tests.upstream import Upstream, answer

Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path, upstream: Upstream) -> Iterator[Start]:
    made: list[Running] = []

    def start(count: int = 1, listeners: list[socket.socket] | None = None) -> Running:
        if listeners is None:
            port = ports.free()
            listeners = [listen("127.0.0.1", port, shared=True) for _ in range(count)]
        running = Running(tmp_path, upstream.port, count, listeners)
        made.append(running)
        until(running.answers)
        return running

    yield start
    for running in made:
        running.processes.kill()
        for listener in running.listeners:
            listener.close()


def test_two_processes_share_a_port_and_their_metrics_are_added_up(start: Start) -> None:
    running = start(2)
    before = float(_sample(running.processes.metrics()))
    for _ in range(20):
        assert running.get() == 200
    assert float(_sample(running.processes.metrics())) == before + 20
    with urllib.request.urlopen(f"http://127.0.0.1:{running.port}/metrics", timeout=10) as answer:
        assert _sample(answer.read().decode()) == _sample(running.processes.metrics())


def test_one_process_checks_the_health_for_all_also_after_it_was_replaced(
    start: Start, upstream: Upstream
) -> None:
    upstream.answers("/health/ready", answer(503, b"{}"))
    running = start(2)
    health = {"path": "/health/ready", "interval_s": 0.1, "timeout_s": 0.1}
    services = {"services": [{"name": "product-service", "health": health}]}
    running.processes.publish(table(row("open", "/open"), version=2) | services)

    def is_out_everywhere() -> bool:
        states = running.processes.states()
        reasons = [key for one in states for key in one["instances"]["gateway_instance_out"]]
        return len(states) == 2 and len([one for one in reasons if "health checks fail" in one]) == 2

    until(is_out_everywhere)
    first = running.processes._edges[1]
    os.kill(first.process.pid, signal.SIGKILL)
    until(lambda: running.processes._edges[1] is not first, within_s=20)
    until(is_out_everywhere, within_s=20)

    upstream.answers("/health/ready", answer(200, b"{}"))
    until(lambda: not is_out_everywhere(), within_s=20)


def test_samples_of_the_request_log_reach_the_parent(start: Start) -> None:
    running = start()
    running.get("/open/stored")
    until(lambda: any("/open/stored" in sample for sample in running.stored))


def test_a_process_that_is_killed_is_replaced_with_the_table_that_it_had(start: Start) -> None:
    running = start()
    (pid,) = running.pids()
    os.kill(pid, signal.SIGKILL)
    until(lambda: running.pids() != {pid}, within_s=20)
    until(running.answers, within_s=20)


def test_a_process_whose_parent_is_gone_ends(start: Start) -> None:
    running = start()
    (edge,) = running.processes._edges.values()
    running.processes._stopping = True
    edge._line.shutdown(socket.SHUT_RDWR)
    assert edge.process.wait(20) == 0


def test_draining_answers_the_request_that_runs(start: Start, upstream: Upstream) -> None:
    running = start()
    release = threading.Event()
    came = threading.Event()

    async def behave(seen: Any, reader: Any, writer: Any) -> None:
        came.set()
        while not release.is_set():
            await asyncio.sleep(0.01)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")

    upstream.behaviours["/open/slow"] = behave
    statuses: list[int] = []
    asking = threading.Thread(target=lambda: statuses.append(running.get("/open/slow")))
    asking.start()
    assert came.wait(10)
    draining = threading.Thread(target=running.processes.drain)
    draining.start()
    release.set()
    draining.join(20)
    asking.join(10)
    assert statuses == [200]
    assert all(edge.process.poll() == 0 for edge in running.processes._edges.values())


def test_a_successor_takes_the_port_and_no_request_fails(
    start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(handover, "path", lambda port: tmp_path / f"gateway-{port}.sock")
    running = start(2)
    stopping = threading.Event()
    failures: list[BaseException] = []
    answered = 0

    def ask_again_and_again() -> None:
        nonlocal answered
        while not stopping.is_set():
            try:
                assert running.get() == 200
                answered += 1
            except BaseException as error:
                failures.append(error)

    asking = [threading.Thread(target=ask_again_and_again) for _ in range(4)]
    for thread in asking:
        thread.start()
    replaced = threading.Event()
    offer = Handover(running.port, running.listeners, replaced.set)
    offer.start()
    predecessor = Predecessor(running.port)
    start(2, predecessor.listeners)
    predecessor.release()
    assert replaced.wait(10)
    offer.close()
    running.processes.drain()
    before = answered
    until(lambda: answered > before + 100, within_s=30)
    stopping.set()
    for thread in asking:
        thread.join(10)
    assert failures == []


def test_without_a_running_gateway_there_is_nobody_to_follow(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(handover, "path", lambda port: tmp_path / "nobody.sock")
    with pytest.raises(NobodyToFollow):
        Predecessor(8000)


def _sample(text: str) -> str:
    wanted = 'gateway_requests_total{route="open",status="200"} '
    (line,) = [line for line in text.splitlines() if line.startswith(wanted)]
    return line.removeprefix(wanted)
