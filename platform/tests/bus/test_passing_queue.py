"""New messages pass a backlog that stands in the service's own queues."""

from collections.abc import Iterator
from typing import Any

import pytest
from kombu import Connection

from atoll.bus import Message, on
from atoll.bus.broker import amqp_passing, transports
from atoll.bus.broker.amqp import AmqpConsumer
from atoll.bus.broker.topology import Topology
from atoll.bus.handlers import known

from .conftest import Until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handlers", "rabbitmq")]

BACKLOG = 120
PREFETCH = 40


@pytest.fixture(autouse=True)
def deep_is_fifty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amqp_passing, "MANY", 50)
    monkeypatch.setattr(amqp_passing, "FEW", 5)


@pytest.fixture
def client() -> Iterator[Connection]:
    connection = transports.current().connect("test")
    yield connection
    connection.close()


def listens(*, ordered: bool = False) -> None:
    @on("note.asked", ordered=ordered)
    def note(event: dict[str, Any], message: Message) -> None:
        """It is never run here."""

    known.reload()


def publish(client: Connection, *numbers: int) -> None:
    names = transports.current().names
    producer = client.Producer(auto_declare=False)
    for number in numbers:
        producer.publish(str(number), exchange=names.events.name, routing_key="note.asked")


def started(client: Connection, waiting: int) -> AmqpConsumer:
    """A consumer that finds so many messages in its queue."""
    consumer = transports.current().consumer()
    assert isinstance(consumer, AmqpConsumer)
    consumer.open()
    consumer.start(1)
    consumer.close()
    publish(client, *range(waiting))
    consumer = transports.current().consumer()
    assert isinstance(consumer, AmqpConsumer)
    consumer.open()
    consumer.start(PREFETCH)
    return consumer


def bodies(consumer: AmqpConsumer, until: Until, enough: int) -> list[int]:
    taken: list[int] = []

    def take() -> bool:
        taken.extend(int(arrival.body) for arrival in consumer.take(1, 0.2))
        consumer.acknowledge()
        return len(taken) >= enough

    until(take)
    return taken


def test_a_new_message_comes_before_the_backlog_and_its_copy_after_it(
    client: Connection, until: Until
) -> None:
    listens()
    consumer = started(client, BACKLOG)
    publish(client, 500, 501)
    taken = bodies(consumer, until, BACKLOG + 4)
    # Fewer than the broker has sent already.
    assert max(taken.index(500), taken.index(501)) <= 12
    assert [number for number in taken if number < BACKLOG] == list(range(BACKLOG))
    assert taken[-2:] == [500, 501]
    assert consumer._passing is not None
    assert consumer._passing.is_open
    consumer.restore()
    assert not consumer._passing.is_open
    publish(client, 502)
    assert bodies(consumer, until, 1) == [502]
    consumer.close()


def test_an_acknowledged_message_does_not_come_again(client: Connection, until: Until) -> None:
    listens()
    consumer = started(client, BACKLOG)
    publish(client, 500)
    bodies(consumer, until, BACKLOG + 2)
    consumer.close()
    consumer = transports.current().consumer()  # type: ignore[assignment]
    consumer.open()
    consumer.start(10)
    assert consumer.take(1, 0.5) == []
    consumer.close()


def test_messages_that_were_taken_from_it_and_not_acknowledged_have_copies(
    client: Connection, until: Until
) -> None:
    listens()
    doomed = started(client, BACKLOG)
    publish(client, 500)
    until(lambda: any(arrival.body == b"500" for arrival in doomed.take(1, 0.2)))
    doomed.close()
    consumer = transports.current().consumer()
    consumer.open()
    consumer.start(10)
    assert isinstance(consumer, AmqpConsumer)
    assert set(bodies(consumer, until, BACKLOG + 1)) == {*range(BACKLOG), 500}
    consumer.close()


@pytest.mark.parametrize("reason", ["few", "ordered", "refused"])
def test_without_it_messages_come_in_their_order(
    client: Connection, until: Until, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    listens(ordered=reason == "ordered")
    if reason == "refused":
        # RabbitMQ keeps these names to itself.
        monkeypatch.setattr(Topology, "passing_prefix", "amq.pass.")
    waiting = 20 if reason == "few" else BACKLOG
    consumer = started(client, waiting)
    publish(client, 500)
    assert bodies(consumer, until, waiting + 1) == [*range(waiting), 500]
    consumer.close()
