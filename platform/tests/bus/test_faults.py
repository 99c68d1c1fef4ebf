"""kill -9 at every point between a commit and its effect loses nothing and doubles nothing."""

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from testproject.handlers import NoteCounted, NoteRequested
from testproject.models import Note

from atoll.bus import faults, publish
from atoll.bus.broker.transports import open_publisher
from atoll.bus.models import Delivery, Inbox, Outbox
from atoll.bus.outbox import holder, relay

from .conftest import Until
from .worker import running

pytestmark = pytest.mark.processes
real = pytest.mark.django_db(transaction=True)
ASKED = 8
# More than the first messages of a worker, which take the counted path.
MANY = 230


def notes() -> list[str]:
    return list(Note.objects.order_by("pk").values_list("text", flat=True))


def settled(asked: int = ASKED) -> bool:
    return (
        Note.objects.count() >= asked
        and not Outbox.objects.exclude(status="published").exists()
        and not Delivery.objects.exclude(status="done").exists()
    )


def request_notes(count: int) -> None:
    for number in range(count):
        with transaction.atomic():
            publish(NoteRequested(str(number)))


@real
def test_with_the_fast_path_off_only_the_pool_runs_handlers(
    rabbitmq: str, tmp_path: Path, until: Until
) -> None:
    with running(tmp_path / "pool", BUS_FAST_PATH="false", ATOLL_FAULT="fast.in_handler:kill"):
        request_notes(MANY)
        until(lambda: settled(MANY))


@real
def test_one_worker_with_the_fast_path_and_one_without_share_the_messages(
    rabbitmq: str, tmp_path: Path, until: Until
) -> None:
    with (
        running(tmp_path / "fast", BUS_FAST_PATH="true"),
        running(tmp_path / "pool", BUS_FAST_PATH="false", ATOLL_INSTANCE="library-service-second"),
    ):
        request_notes(2 * MANY)
        until(lambda: settled(2 * MANY))
    assert sorted(notes(), key=int) == [str(number) for number in range(2 * MANY)]


@real
@pytest.mark.parametrize("point", sorted(faults.POINTS))
def test_killed_there_everything_takes_effect_exactly_once(
    rabbitmq: str, tmp_path: Path, until: Until, point: str
) -> None:
    asked = MANY if point.startswith("fast.") else ASKED
    with running(tmp_path / "killed", ATOLL_FAULT=f"{point}:kill", BUS_FAST_PATH="true") as worker:
        request_notes(asked)
        assert worker.ended() == -signal.SIGKILL
    with running(tmp_path / "whole"):
        until(lambda: settled(asked))
    assert sorted(notes(), key=int) == [str(number) for number in range(asked)]
    assert Outbox.objects.filter(name="note.written").count() == asked
    assert Inbox.objects.count() == asked
    assert max(Delivery.objects.values_list("attempts", flat=True)) <= 2


@real
@pytest.mark.parametrize(
    "point",
    [
        "deliver.in_handler",
        pytest.param("deliver.after_commit", marks=pytest.mark.long),
        pytest.param("ingest.after_store", marks=pytest.mark.long),
    ],
)
def test_order_holds_through_a_kill_with_another_instance_standing_by(
    rabbitmq: str, tmp_path: Path, until: Until, point: str
) -> None:
    # The fast path does not pass the points of the pool, and the other worker may run any handler: messages
    # are published until the fault has come.
    setting = {"TESTPROJECT_ORDERED": "1", "BUS_FAST_PATH": "false"}
    asked = 0
    with (
        running(tmp_path / "killed", ATOLL_FAULT=f"{point}:kill@4", **setting) as first,
        running(tmp_path / "second", ATOLL_INSTANCE="library-service-second", **setting),
    ):

        def ask() -> bool:
            nonlocal asked
            with transaction.atomic():
                for key in "ab":
                    publish(NoteCounted(key, asked), key=key)
            asked += 1
            return asked >= 30 and first.has_ended()

        until(ask)
        assert first.ended() == -signal.SIGKILL
        until(lambda: Note.objects.count() >= 2 * asked)
        until(lambda: not Delivery.objects.exclude(status="done").exists())
    for key in "ab":
        assert [text for text in notes() if text.startswith(key)] == [f"{key} {n:03}" for n in range(asked)]
    assert (Note.objects.count(), Inbox.objects.count()) == (2 * asked, 2 * asked)


@real
def test_when_the_holders_process_is_killed_a_worker_that_stands_by_publishes(
    rabbitmq: str, tmp_path: Path, until: Until
) -> None:
    with (
        running(tmp_path / "first") as first,
        running(tmp_path / "second", ATOLL_INSTANCE="library-service-second"),
    ):
        first.kill()
        killed = time.monotonic()
        with transaction.atomic():
            publish(NoteRequested("after"))
        until(lambda: notes() == ["after"])
        # Not by the end of a silent session.
        assert time.monotonic() - killed < holder.SILENT_S / 2


@real
def test_a_relay_that_fails_after_publishing_publishes_again_and_gives_nothing_up(
    rabbitmq: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    armed = faults.parse("relay.after_publish:raise")
    monkeypatch.setattr(faults, "point", faults._injecting(armed))
    with transaction.atomic():
        publish(NoteRequested("x"))
    publisher = open_publisher()
    with pytest.raises(faults.InjectedFault, match="at relay"):
        relay.step(publisher)
    assert list(Outbox.objects.values_list("status", "attempts")) == [("pending", 0)]
    assert relay.step(publisher) == 1
    publisher.close()
    assert list(Outbox.objects.values_list("status", "attempts")) == [("published", 0)]


def test_a_fault_hits_the_pass_it_was_asked_for_and_no_other() -> None:
    fault = faults.parse("deliver.in_handler:raise@3")["deliver.in_handler"]
    hits = []
    for number in itertools.count(1):
        try:
            fault.passed()
        except faults.InjectedFault:
            hits.append(number)
        if number == 6:
            break
    assert hits == [3]


@pytest.mark.parametrize(
    "text",
    ["relay.somewhere:kill", "relay.after_read:explode", "relay.after_read", "relay.after_read:kill@x"],
)
def test_a_fault_that_does_not_exist_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="is not POINT:ACTION"):
        faults.parse(text)
    ended = subprocess.run(
        [sys.executable, "-c", "import atoll.bus.faults"],
        env=os.environ | {"ATOLL_FAULT": text, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "is not POINT:ACTION" in ended.stderr


def test_unset_a_point_does_nothing_at_all() -> None:
    assert faults.point is faults._do_nothing
