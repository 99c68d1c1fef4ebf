"""New messages pass a backlog that stands in the service's own queues."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from kombu import Connection

from atoll.bus import Message, on
from atoll.bus.broker import amqp, amqp_passing, transports
from atoll.bus.broker.amqp import AmqpConsumer
from atoll.bus.broker.messages import Arrival
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


def publish(client: Connection, *numbers: int, age_s: float = 0.0) -> None:
    names = transports.current().names
    producer = client.Producer(auto_declare=False)
    for number in numbers:
        producer.publish(
            str(number),
            exchange=names.events.name,
            routing_key="note.asked",
            timestamp=int(time.time() - age_s),
        )
    # A channel is worked off in order, so the answer says that the queue has them all.
    producer.channel.queue_declare(names.event_queue.name, passive=True)


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


def batch(consumer: AmqpConsumer) -> list[Arrival]:
    taken = consumer.take(20, 0.2)
    consumer.acknowledge()
    return taken


def full_batch(consumer: AmqpConsumer, until: Until) -> list[Arrival]:
    """A batch, once the broker has brought enough for a full one."""

    def has_come() -> bool:
        consumer.keep_alive()
        return len(consumer.in_hand()) >= 20

    until(has_come)
    return batch(consumer)


def bodies(consumer: AmqpConsumer, until: Until, enough: int, at_once: int = 1) -> list[int]:
    taken: list[int] = []

    def take() -> bool:
        taken.extend(int(arrival.body) for arrival in consumer.take(at_once, 0.2))
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


def test_while_new_messages_come_old_ones_are_taken_in_small_batches_between_them(
    client: Connection, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    monkeypatch.setattr(amqp_passing, "SLICE_FACTOR", 0.0)
    monkeypatch.setattr(amqp_passing, "SLICE_EXTRA_S", 0.0)
    listens()
    consumer = started(client, BACKLOG)
    assert (consumer.lets_new_pass, len(full_batch(consumer, until))) == (True, 20)
    for number in (500, 501):
        publish(client, number)
        batches: list[list[int]] = []
        while not batches or number not in batches[-1]:
            taken = batch(consumer)
            batches.append([int(arrival.body) for arrival in taken])
            assert [arrival.is_new for arrival in taken] == [body >= BACKLOG for body in batches[-1]]
        # A new message is a batch of its own, or goes together with a few old ones.
        assert len(batches[-1]) <= 1 + amqp_passing.SLICE
        assert [arrival.is_new for arrival in batch(consumer)] == [False] * amqp_passing.SLICE
    monkeypatch.setattr(amqp_passing, "ALONE_S", 0.0)
    assert len(full_batch(consumer, until)) == 20
    consumer.close()


def test_the_batches_of_old_messages_grow_while_they_take_little_longer_than_those_of_new_ones(
    client: Connection, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    monkeypatch.setattr(amqp_passing, "SLICE_EXTRA_S", 60.0)
    listens()
    consumer = started(client, BACKLOG)
    batch(consumer)
    publish(client, 500)
    while not any(arrival.is_new for arrival in batch(consumer)):
        pass
    sizes = [len(full_batch(consumer, until)) for _ in range(4)]
    assert sizes == [sizes[0] + grown for grown in range(4)]
    monkeypatch.setattr(amqp_passing, "SLICE_EXTRA_S", -60.0)
    first, second, third = (len(full_batch(consumer, until)) for _ in range(3))
    assert first > second > third
    consumer.close()


def test_new_messages_pass_only_once_those_are_through_that_came_before_the_passing_queue(
    client: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amqp, "FULL_BATCHES", 1)
    listens()
    consumer = started(client, 10)
    assert not consumer.lets_new_pass
    publish(client, *range(10, 10 + BACKLOG))
    # It looks at once when the batches are full, and does not wait for the bindings' turn.
    for _ in range(BACKLOG // 20):
        batch(consumer)
        if consumer._passing and consumer._passing.is_open:
            break
    assert consumer._passing is not None
    assert consumer._passing.is_open
    assert not consumer.lets_new_pass
    publish(client, 500)
    taken = [arrival for _ in range(8) for arrival in batch(consumer)]
    assert {int(arrival.body) for arrival in taken if arrival.is_new} == {500}
    consumer.close()


def test_new_messages_pass_the_backlog_that_a_sender_works_off_however_few_of_it_wait(
    client: Connection, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    listens()
    consumer = started(client, 0)
    taken = 0
    while taken < amqp_passing.OLD_IN_A_ROW:
        publish(client, *range(10), age_s=2 * amqp_passing.OLD_S)
        taken += len(bodies(consumer, until, 10, at_once=20))
    assert consumer._passing is not None
    assert consumer._passing.is_open
    monkeypatch.setattr(amqp_passing, "CALM_S", 0.0)
    consumer.restore()
    assert not consumer._passing.is_open
    consumer.close()


def test_new_messages_pass_old_ones_that_a_sender_sends_after_the_passing_queue_was_made(
    client: Connection, until: Until
) -> None:
    listens()
    consumer = started(client, BACKLOG)
    late = range(1000, 1000 + 2 * amqp_passing.PREFETCH)
    publish(client, *late, age_s=2 * amqp_passing.OLD_S)
    publish(client, 500)
    taken = bodies(consumer, until, BACKLOG + len(late) + 2)
    # Each look at the passing queue drops as many as the broker had sent.
    assert taken.index(500) < BACKLOG
    assert [number for number in taken if number != 500] == [*range(BACKLOG), *late]
    assert taken.count(500) == 2
    consumer.close()


def test_old_messages_between_new_ones_are_no_backlog(client: Connection, until: Until) -> None:
    listens()
    consumer = started(client, 0)
    for number in range(0, 4 * amqp_passing.OLD_IN_A_ROW, 2):
        publish(client, number, age_s=2 * amqp_passing.OLD_S)
        publish(client, number + 1)
        assert bodies(consumer, until, 2) == [number, number + 1]
    assert consumer._passing is not None
    assert not consumer._passing.is_open
    consumer.close()


def test_with_new_messages_at_each_look_old_ones_are_taken_too(client: Connection) -> None:
    listens()
    consumer = started(client, BACKLOG)
    old = 0
    for number in range(500, 520):
        publish(client, number)
        old += sum(not arrival.is_new for arrival in batch(consumer))
    assert old >= 9 * amqp_passing.SLICE
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
