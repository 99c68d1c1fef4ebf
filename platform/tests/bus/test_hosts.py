"""Workers with both pools under load, signals, crashes and handlers that never end."""

import os
import signal
import sys
from pathlib import Path

import pytest
from django.db import transaction
from testproject.handlers import NoteRequested
from testproject.models import Note

from atoll.bus import publish
from atoll.bus.models import Delivery
from atoll.bus.publishing import publish_raw

from .conftest import Until
from .worker import BUS, CELERY, STOP_DEADLINE_S, WORKER, Process, is_in_handler, running

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.processes]

POOLS = ("threads", "prefork")
on_each_broker = pytest.mark.parametrize(
    "broker", ["rabbitmq", pytest.param("valkey", marks=pytest.mark.long)], indirect=True
)
# A real worker that does not wait half a minute for a thread to come back.
IMPATIENT = (
    sys.executable,
    "-c",
    "from atoll.bus.worker import watchdog; watchdog.THREAD_OVERDUE_S = 0.5; "
    "from django.core.management import execute_from_command_line as run; run(['django', 'worker'])",
)


def notes() -> list[str]:
    return sorted(Note.objects.values_list("text", flat=True))


def ask(name: str, *texts: str, hold_s: float = 0.0) -> None:
    with transaction.atomic():
        for text in texts:
            publish_raw(name, {"text": text, "holdS": hold_s})


def settled() -> Delivery | None:
    return Delivery.objects.filter(status__in=["done", "dead"]).first()


def connections_of(pid: int) -> set[str]:
    """Return the kernel's numbers of a process's open network connections."""
    tcp = {line.split()[9] for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]}
    links = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            links.add(os.readlink(entry))
        except FileNotFoundError:
            continue
    return {link for link in links if link.removeprefix("socket:[").removesuffix("]") in tcp}


@on_each_broker
@pytest.mark.parametrize("pool", POOLS)
def test_a_rolling_restart_under_load_loses_nothing_and_doubles_nothing(
    broker: str, tmp_path: Path, until: Until, pool: str
) -> None:
    texts = [f"{number:03}" for number in range(300)]
    with running(tmp_path / "old", WORKER_POOL=pool) as old:
        ask("note.requested", "slow", hold_s=3)
        until(is_in_handler)
        ask("note.requested", *texts, hold_s=0.02)
        until(lambda: Note.objects.count() > 20)
        with running(tmp_path / "new", WORKER_POOL=pool, ATOLL_INSTANCE="library-service-new"):
            code, took_s = old.terminate()
            until(lambda: Note.objects.count() >= 301)
            until(lambda: not Delivery.objects.exclude(status="done").exists())
    assert (code, took_s < STOP_DEADLINE_S) == (0, True)
    assert notes() == [*texts, "slow"]
    assert Delivery.objects.count() == 301


@on_each_broker
def test_a_bus_apart_is_restarted_under_load_with_its_workers_left_alone(
    broker: str, tmp_path: Path, until: Until
) -> None:
    texts = [f"{number:03}" for number in range(300)]
    with running(tmp_path / "worker", CELERY, BUS_IN_WORKER="false", WORKER_POOL="prefork") as worker:
        with running(tmp_path / "bus", BUS) as bus:
            for text in texts:
                ask("note.requested", text)
            until(lambda: Note.objects.count() > 20)
            code, took_s = bus.terminate(signal.SIGTERM, signal.SIGTERM)
        with running(tmp_path / "successor", BUS):
            until(lambda: Note.objects.count() >= 300)
            until(lambda: not Delivery.objects.exclude(status="done").exists())
            assert worker.terminate()[0] == 0
    assert (code, took_s < STOP_DEADLINE_S) == (0, True)
    assert notes() == texts


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize(
    "signals",
    [
        pytest.param((signal.SIGTERM, signal.SIGTERM), id="SIGTERM twice"),
        pytest.param((signal.SIGINT,), id="SIGINT", marks=pytest.mark.long),
    ],
)
def test_a_signal_lets_the_running_handler_finish(
    rabbitmq: str, tmp_path: Path, until: Until, pool: str, signals: tuple[signal.Signals, ...]
) -> None:
    with running(tmp_path / "worker", WORKER_POOL=pool) as worker:
        ask("note.requested", "finished", hold_s=1.5)
        until(is_in_handler)
        _, took_s = worker.terminate(*signals)
    assert took_s < STOP_DEADLINE_S
    assert notes() == ["finished"]
    assert Delivery.objects.get().attempts == 1


def test_a_signal_to_the_whole_group_lets_the_running_handler_finish(
    rabbitmq: str, tmp_path: Path, until: Until
) -> None:
    with running(tmp_path / "worker", WORKER_POOL="prefork") as worker:
        ask("note.requested", "finished", hold_s=1.5)
        until(is_in_handler)
        for child in worker.children():
            os.kill(child, signal.SIGTERM)
        code, took_s = worker.terminate()
    assert (code, took_s < STOP_DEADLINE_S) == (0, True)
    assert notes() == ["finished"]
    assert Delivery.objects.get().attempts == 1


def test_a_killed_child_s_delivery_runs_again_within_seconds_with_one_effect(
    broker: str, tmp_path: Path, until: Until
) -> None:
    with running(tmp_path / "worker", WORKER_POOL="prefork", WORKER_CONCURRENCY="1") as worker:
        ask("note.requested", "once", hold_s=3.5)
        until(is_in_handler)
        lease_ends = Delivery.objects.get().next_attempt_at
        (child,) = worker.children()
        os.kill(child, signal.SIGKILL)
        until(lambda: notes() == ["once"])
        (successor,) = worker.children()
        assert successor != child
        assert connections_of(successor) & connections_of(worker.pid) == set()
    row = Delivery.objects.get()
    assert (row.status, row.attempts) == ("done", 2)
    assert row.finished_at is not None
    assert row.finished_at < lease_ends


def test_a_handler_in_a_child_is_interrupted_at_its_timeout(
    rabbitmq: str, tmp_path: Path, until: Until
) -> None:
    with running(tmp_path / "worker", WORKER_POOL="prefork", WORKER_CONCURRENCY="1") as worker:
        before = worker.children()
        ask("note.slow", "too late", hold_s=60)
        row = until(settled)
        ask("note.requested", "after")
        until(lambda: notes() == ["after"])
        assert worker.children() == before
    assert isinstance(row, Delivery)
    assert (row.status, row.attempts) == ("dead", 1)
    assert row.error == "HandlerTimeout: testproject.handlers.take_too_long took longer than 1 s."


def test_a_child_whose_handler_heeds_nothing_is_killed(rabbitmq: str, tmp_path: Path, until: Until) -> None:
    with running(tmp_path / "worker", WORKER_POOL="prefork", WORKER_CONCURRENCY="1") as worker:
        before = worker.children()
        ask("note.stuck", "in the end")
        row = until(settled)
        assert worker.children() != before
    assert isinstance(row, Delivery)
    assert (row.status, row.attempts) == ("done", 2)
    assert notes() == ["in the end"]
    assert "handler stuck, its process is killed" in worker.log.read_text()


def test_a_handler_that_kills_each_process_is_a_dead_letter_in_the_end(
    rabbitmq: str, tmp_path: Path, until: Until
) -> None:
    with running(tmp_path / "worker", WORKER_POOL="prefork", WORKER_CONCURRENCY="2"):
        ask("note.fatal", "never")
        row = until(settled)
        ask("note.requested", "after")
        until(lambda: notes() == ["after"])
    assert isinstance(row, Delivery)
    assert (row.status, row.attempts) == ("dead", 3)
    assert row.error == "Each of 2 attempts ended with the process that made it."


def test_a_worker_with_a_stuck_thread_ends_to_be_started_again(
    rabbitmq: str, tmp_path: Path, until: Until
) -> None:
    with running(tmp_path / "worker", IMPATIENT) as worker:
        ask("note.stuck", "in the end")
        until(is_in_handler)
        assert worker.ended() == os.EX_SOFTWARE
    assert notes() == []
    assert Delivery.objects.get().attempts == 1
    with running(tmp_path / "successor"):
        until(settled)
    assert notes() == ["in the end"]
    assert "in heed_nothing_the_first_time" in worker.log.read_text()


@pytest.mark.parametrize("pool", ["solo", "processes-of-mine"])
def test_a_pool_that_loses_messages_is_refused_with_the_reason(
    rabbitmq: str, tmp_path: Path, pool: str
) -> None:
    process = Process(tmp_path / "worker", WORKER, WORKER_POOL=pool)
    try:
        assert process.ended() != 0
    finally:
        process.end()
    told = process.log.read_text()
    assert told.endswith(f" does not start. WORKER_POOL={pool!r} is not one of threads, prefork.\n")
    assert "Traceback" not in told
    assert not process.lifecycle.exists() or process.lifecycle.read_text() != "ready"


def test_a_worker_takes_its_pool_from_the_project_s_own_variable(
    rabbitmq: str, tmp_path: Path, until: Until
) -> None:
    with running(
        tmp_path / "worker", LIBRARY_WORKER_POOL="prefork", LIBRARY_WORKER_CONCURRENCY="3"
    ) as worker:
        assert len(worker.children()) == 3
        with transaction.atomic():
            publish(NoteRequested("done"))
        until(lambda: notes() == ["done"])
