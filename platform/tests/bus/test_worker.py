"""Whole worker processes: from a commit to its effect, through kill -9 and SIGTERM."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connection, transaction
from testproject.handlers import NoteRequested, WriteNote
from testproject.models import Note

from atoll.bus import publish, send
from atoll.bus.models import Delivery, Outbox
from atoll.bus.publishing import publish_raw
from atoll.testing.proxy import Proxy

from .conftest import Until
from .worker import BUS, CELERY, STOP_DEADLINE_S, WORKER, is_in_handler, running

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.processes]


def notes() -> list[str]:
    return sorted(Note.objects.values_list("text", flat=True))


def ask(text: str, hold_s: float = 0.0) -> None:
    with transaction.atomic():
        publish(NoteRequested(text, hold_s))


def test_a_worker_carries_commits_to_their_effects_on_few_connections(
    broker: str, tmp_path: Path, until: Until
) -> None:
    with running(tmp_path / "worker") as worker:
        for number in range(21):
            ask(f"{number:02}")
            until(lambda: Note.objects.filter(text=f"{number:02}").exists())  # noqa: B023
        with transaction.atomic():
            send(WriteNote("by command"))
        until(lambda: "by command" in notes())
        until(lambda: not Outbox.objects.exclude(status="published").exists())
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            assert cursor.fetchone()[0] <= 6
        code, took_s = worker.terminate()
    assert (code, took_s < STOP_DEADLINE_S) == (0, True)
    assert len(notes()) == 22


def test_killed_in_the_middle_of_a_handler_it_has_exactly_one_effect(
    broker: str, tmp_path: Path, until: Until
) -> None:
    with running(tmp_path / "first") as first:
        ask("once", hold_s=3)
        until(is_in_handler)
        lease_ends = Delivery.objects.get().next_attempt_at
        first.kill()
    assert notes() == []
    assert Delivery.objects.get().attempts == 1
    with running(tmp_path / "second"):
        until(lambda: Outbox.objects.filter(name="note.written", status="published").exists())
    assert notes() == ["once"]
    assert Outbox.objects.filter(name="note.written").count() == 1
    row = Delivery.objects.get()
    assert (row.status, row.attempts) == ("done", 2)
    assert row.finished_at is not None
    assert row.finished_at < lease_ends


def test_a_worker_that_starts_takes_nothing_from_one_that_lives(
    broker: str, tmp_path: Path, until: Until
) -> None:
    with running(tmp_path / "first"):
        ask("mine", hold_s=3)
        until(is_in_handler)
        with running(tmp_path / "second", ATOLL_INSTANCE="library-service-second"):
            until(lambda: notes() == ["mine"])
            ask("ours")
            until(lambda: notes() == ["mine", "ours"])
    assert set(Delivery.objects.values_list("status", "attempts")) == {("done", 1)}


def test_a_worker_whose_broker_goes_away_and_comes_back_goes_on_by_itself(
    broker: str, tmp_path: Path, until: Until
) -> None:
    parts = urlsplit(broker)
    proxy = Proxy(parts.hostname or "127.0.0.1", parts.port or 5672)
    through_proxy = broker.replace(f"{parts.hostname}:{parts.port}", f"127.0.0.1:{proxy.port}")
    with running(tmp_path / "worker", RABBITMQ_URL=through_proxy):
        ask("before")
        until(lambda: notes() == ["before"])
        proxy.cut()
        for number in range(10):
            ask(f"during {number}")
        assert notes() == ["before"]
        proxy.mend()
        until(lambda: len(notes()) == 11)
        ask("after")
        until(lambda: "after" in notes())
        proxy.cut()
    assert len(notes()) == 12
    assert set(Outbox.objects.filter(name="note.requested").values_list("attempts", flat=True)) == {0}
    assert set(Delivery.objects.values_list("status", "attempts")) == {("done", 1)}


def test_sigterm_lets_running_handlers_finish(broker: str, tmp_path: Path, until: Until) -> None:
    with running(tmp_path / "worker") as worker:
        ask("finished", hold_s=1.5)
        until(is_in_handler)
        code, took_s = worker.terminate()
    assert (code, took_s < STOP_DEADLINE_S) == (0, True)
    assert notes() == ["finished"]
    assert Delivery.objects.get().status == "done"
    assert worker.lifecycle.read_text() == "draining"


@pytest.mark.parametrize("pool", ["threads", pytest.param("prefork", marks=pytest.mark.long)])
def test_a_handler_that_outlasts_the_grace_period_is_cut_off_and_given_back(
    rabbitmq: str, tmp_path: Path, until: Until, pool: str
) -> None:
    with running(tmp_path / "worker", WORKER_POOL=pool) as worker:
        with transaction.atomic():
            publish_raw("note.endless", {"text": "never", "holdS": 60})
        until(is_in_handler)
        code, took_s = worker.terminate()
    assert (code, took_s < STOP_DEADLINE_S) == (0, True)
    assert notes() == []
    row = Delivery.objects.get()
    assert (row.status, row.attempts) == ("pending", 0)


def test_a_timer_fires_in_a_worker(valkey: str, tmp_path: Path, until: Until) -> None:
    from atoll.bus import schedule

    with transaction.atomic():
        schedule(WriteNote("due"), after=timedelta(milliseconds=500))
        schedule(WriteNote("not due"), after=timedelta(hours=1))
    with running(tmp_path / "worker"):
        until(lambda: notes() == ["due"])


@pytest.mark.parametrize(
    "command",
    [(*WORKER, "--pool", "prefork", "--concurrency", "2"), CELERY, (*CELERY, "--pool", "prefork", "-c", "2")],
    ids=["prefork", "celery", "celery-prefork"],
)
def test_every_way_to_start_a_worker_gives_a_whole_one(
    rabbitmq: str, tmp_path: Path, until: Until, command: tuple[str, ...]
) -> None:
    with running(tmp_path / "worker", command) as worker:
        for number in range(5):
            ask(str(number))
        until(lambda: notes() == ["0", "1", "2", "3", "4"])
        code, took_s = worker.terminate()
    assert (code, took_s < STOP_DEADLINE_S) == (0, True)


def test_the_bus_can_run_apart_from_its_workers(broker: str, tmp_path: Path, until: Until) -> None:
    with running(tmp_path / "bus", BUS) as bus, running(tmp_path / "worker", CELERY, BUS_IN_WORKER="0"):
        ask("apart")
        until(lambda: notes() == ["apart"])
        # What the handler announced in turn is gone, too, before there is no relay any more.
        until(lambda: not Outbox.objects.filter(status="pending").exists())
        code, took_s = bus.terminate()
        assert (code, took_s < STOP_DEADLINE_S) == (0, True)
        ask("later")
        assert notes() == ["apart"]
    assert Outbox.objects.filter(status="pending").count() == 1
