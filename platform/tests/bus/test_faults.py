"""kill -9 at every point between a commit and its effect loses nothing and doubles nothing."""

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from testproject.handlers import NoteCounted, NoteRequested
from testproject.models import Note

from atoll.bus import faults, publish
from atoll.bus.broker.transports import open_publisher
from atoll.bus.models import Delivery, Inbox, Outbox
from atoll.bus.outbox import relay

from .conftest import Until
from .worker import running

pytestmark = pytest.mark.processes
real = pytest.mark.django_db(transaction=True)
ASKED = 8


def notes() -> list[str]:
    return list(Note.objects.order_by("pk").values_list("text", flat=True))


def settled() -> bool:
    return (
        Note.objects.count() >= ASKED
        and not Outbox.objects.exclude(status="published").exists()
        and not Delivery.objects.exclude(status="done").exists()
    )


@real
@pytest.mark.parametrize("point", sorted(faults.POINTS))
def test_killed_there_everything_takes_effect_exactly_once(
    rabbitmq: str, tmp_path: Path, until: Until, point: str
) -> None:
    with running(tmp_path / "killed", ATOLL_FAULT=f"{point}:kill") as worker:
        for number in range(ASKED):
            with transaction.atomic():
                publish(NoteRequested(str(number)))
        assert worker.ended() == -signal.SIGKILL
    with running(tmp_path / "whole"):
        until(settled)
    assert sorted(notes()) == [str(number) for number in range(ASKED)]
    assert Outbox.objects.filter(name="note.written").count() == ASKED
    assert Inbox.objects.count() == ASKED
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
    with (
        running(tmp_path / "killed", TESTPROJECT_ORDERED="1", ATOLL_FAULT=f"{point}:kill@4") as first,
        running(tmp_path / "second", TESTPROJECT_ORDERED="1", ATOLL_INSTANCE="library-service-second"),
    ):
        for number in range(30):
            with transaction.atomic():
                for key in "ab":
                    publish(NoteCounted(key, number), key=key)
        until(lambda: Note.objects.count() >= 60)
        until(lambda: not Delivery.objects.exclude(status="done").exists())
        assert first.ended() == -signal.SIGKILL
    for key in "ab":
        assert [text for text in notes() if text.startswith(key)] == [f"{key} {n:03}" for n in range(30)]
    assert (Note.objects.count(), Inbox.objects.count()) == (60, 60)


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
    ["relay.somewhere:kill", "relay.after_claim:explode", "relay.after_claim", "relay.after_claim:kill@x"],
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
