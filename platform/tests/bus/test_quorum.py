"""Quorum queues, and existing queues of another type, on a real RabbitMQ."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from amqp.exceptions import NotFound, PreconditionFailed
from django.db import transaction
from testproject.handlers import NoteRequested
from testproject.models import Note

from atoll.bus import publish
from atoll.bus.broker import topology, transports

from .conftest import Until
from .worker import BUS, CELERY, STOP_DEADLINE_S, WORKER, Process, running

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.processes]

# More often than a message may come back by RabbitMQ 4's own limit.
RETURNS = 25


@pytest.fixture
def quorum(rabbitmq: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("BUS_QUEUE_TYPE", "quorum")
    return rabbitmq


@pytest.mark.parametrize(
    "command",
    [WORKER, CELERY, (*WORKER, "--pool", "prefork", "--concurrency", "2")],
    ids=["worker", "celery", "prefork"],
)
def test_a_worker_runs_on_quorum_queues(
    quorum: str, tmp_path: Path, until: Until, command: Sequence[str]
) -> None:
    with running(tmp_path / "worker", command) as worker:
        for number in range(20):
            with transaction.atomic():
                publish(NoteRequested(str(number)))
        until(lambda: Note.objects.count() == 20)
        assert are_quorum() == [True, True, True]
        code, took_s = worker.terminate()
    assert (code, took_s < STOP_DEADLINE_S) == (0, True)


def test_the_broker_gets_no_queues_for_delays(quorum: str, tmp_path: Path) -> None:
    with (
        running(tmp_path / "worker"),
        transports.current().connect("looking") as broker,
        pytest.raises(NotFound),
    ):
        broker.channel().exchange_declare("celery_delayed_27", "topic", passive=True)


def test_a_message_may_come_back_more_often_than_the_brokers_own_limit(quorum: str, until: Until) -> None:
    with transports.current().connect("crashing") as broker:
        channel: Any = broker.channel()
        queue, _ = transports.current().names.declare_queues(channel, exact_matching=True)
        broker.Producer(channel).publish("precious", routing_key=queue.name)
        for _ in range(RETURNS):
            crashing: Any = broker.channel()
            until(lambda: crashing.basic_get(queue.name))  # noqa: B023
            crashing.close()
        assert until(lambda: queue.get()).body == "precious"  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", [WORKER, CELERY, BUS], ids=["worker", "celery", "bus"])
def test_a_queue_of_another_type_stops_the_start_with_a_sentence(
    rabbitmq: str, tmp_path: Path, command: Sequence[str]
) -> None:
    names = transports.current().names
    with transports.current().connect("earlier") as broker:
        names.declare_queues(broker.channel(), exact_matching=True)
    process = Process(tmp_path / "worker", command, BUS_QUEUE_TYPE="quorum")
    try:
        assert process.ended() == 1
    finally:
        process.end()
    told = process.log.read_text()
    assert f"The queue {names.event_queue.name} is on the broker already, but declared in another way" in told
    assert "rabbitmqctl delete_queue" in told


def test_credentials_that_are_refused_stop_the_start_with_a_sentence(rabbitmq: str, tmp_path: Path) -> None:
    process = Process(
        tmp_path / "worker", CELERY, RABBITMQ_URL=rabbitmq.replace("guest:guest", "guest:wrong")
    )
    try:
        assert process.ended() == 1
    finally:
        process.end()
    assert "The worker does not start. RabbitMQ refuses RABBITMQ_URL: " in process.log.read_text()


def are_quorum() -> list[bool]:
    """Whether the broker refuses a classic declaration of the service's queues."""
    names = topology.Topology(transports.current().names.service, transports.current().names.prefix)
    found = []
    with transports.current().connect("looking") as broker:
        for queue in (names.event_queue, names.command_queue, names.work_queue):
            try:
                queue(broker.channel()).queue_declare()
            except PreconditionFailed:
                found.append(True)
            else:
                found.append(False)
    return found
