"""Queues, bindings and exchanges return after somebody deleted them."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import amqp
import pytest

from atoll.bus.broker import publisher, transports
from atoll.bus.broker.amqp import AmqpConsumer
from atoll.bus.broker.amqp_bindings import AmqpBindings
from atoll.bus.broker.topology import Topology
from atoll.bus.broker.transports import open_publisher
from atoll.bus.inbox import ingest
from atoll.bus.models import Outbox
from atoll.bus.outbox import relay

from . import brokers
from .conftest import Until
from .receiver import receiving
from .relaying import (
    OTHER,
    OURS,
    all_are_published,
    announce,
    contracts_document,
    listen,
    notes,
    outgoing,
    relaying,
    theirs,
    unbind,
    waiting_in,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handlers")]


@pytest.fixture
def contracts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with contracts_document(tmp_path, monkeypatch) as write:
        yield write


def test_a_binding_that_was_deleted_is_back_before_the_next_message(rabbitmq: str, contracts: Any) -> None:
    contracts(account_opened=[OURS, OTHER])
    listen()
    to = open_publisher()
    to.prepare()
    for lost in (transports.current().names, theirs()):
        unbind(lost.event_queue, "account.opened")
        announce(1)
        assert relay.step(to) == 1
    to.close()
    assert all_are_published()
    assert [waiting_in(names.event_queue) for names in (transports.current().names, theirs())] == [2, 2]


def test_a_binding_that_is_deleted_while_the_broker_holds_a_batch_back_costs_no_receiver_the_message(
    rabbitmq: str, contracts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    contracts(account_opened=[OURS, OTHER])
    listen()
    to: Any = open_publisher()
    to.prepare()
    send, held = to._send, []

    def hold(parts: list[bytes]) -> None:
        """The broker reads the bindings, has no memory, and reads the message when it has some again."""
        if held:
            send(parts)
            return
        held.extend(parts)
        send(parts[:-1])
        to._channel.queue_declare(
            transports.current().names.event_queue.name, passive=True
        )  # the broker has read the bindings
        unbind(theirs().event_queue, "account.opened")
        to._amqp.on_blocked("low on memory")
        send(parts[-1:])

    monkeypatch.setattr(to, "_send", hold)
    announce(1)
    assert relay.step(to) == 1
    to.close()
    assert outgoing() == [("published", 0, "")]
    # Our inbox drops the second copy.
    assert [waiting_in(names.event_queue) for names in (transports.current().names, theirs())] == [2, 1]


def test_an_event_that_the_broker_cannot_route_to_its_receiver_is_kept_until_it_can(
    rabbitmq: str, contracts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    contracts(account_opened=[OURS])
    listen()
    to = open_publisher()
    to.prepare()
    monkeypatch.setattr(AmqpBindings, "renewals", lambda *_: ())
    unbind(transports.current().names.event_queue, "account.opened")
    announce(1)
    assert relay.step(to) == 1
    assert outgoing() == [("pending", 0, publisher.UNBOUND.format(OURS))]
    to.prepare()
    Outbox.objects.update(next_attempt_at="2000-01-01T00:00:00Z")
    assert relay.step(to) == 1
    to.close()
    assert outgoing() == [("published", 0, "")]
    assert waiting_in(transports.current().names.event_queue) == 1


def test_a_queue_that_was_deleted_ends_the_channel_and_the_next_relay_makes_it_again(
    rabbitmq: str, contracts: Any, until: Until
) -> None:
    contracts(account_opened=[OTHER])
    with relaying():
        with transports.current().connect("test") as opened:
            theirs().event_queue(opened.channel()).delete()
        announce(1)
        until(all_are_published)
    assert waiting_in(theirs().event_queue) == 1
    assert outgoing() == [("published", 0, "")]


def test_on_the_embedded_broker_a_lost_binding_is_made_again_before_anything_is_published(
    valkey: str, contracts: Any
) -> None:
    contracts(account_opened=[OURS, OTHER])
    listen()
    to = open_publisher()
    to.prepare()
    unbind(theirs().event_queue, "account.opened")
    announce(1)
    assert relay.step(to) == 1
    to.close()
    assert outgoing() == [("published", 0, "")]
    assert [waiting_in(names.event_queue) for names in (transports.current().names, theirs())] == [1, 1]


def test_after_the_exchange_was_deleted_under_load_every_event_arrives(
    broker: str, contracts: Any, until: Until
) -> None:
    contracts(account_opened=[OURS, OTHER])
    listen()
    with receiving(), relaying():
        for number in range(60):
            announce(number)
            if number in (10, 30):
                brokers.current().delete_event_exchange()
        until(lambda: notes() == list(range(60)))
        until(all_are_published)
    assert set(Outbox.objects.values_list("attempts", flat=True)) == {0}
    assert waiting_in(theirs().event_queue) >= 60


def test_after_somebody_made_the_exchange_anew_without_bindings_every_event_arrives(
    rabbitmq: str, contracts: Any, until: Until
) -> None:
    contracts(account_opened=[OURS])
    listen()
    with receiving(), relaying():
        announce(1)
        until(lambda: notes() == [1])
        brokers.current().delete_event_exchange()
        with transports.current().connect("stranger") as opened:
            transports.current().names.declare_exchanges(opened.channel())
        announce(2)
        until(lambda: notes() == [1, 2])
        until(all_are_published)
    assert set(Outbox.objects.values_list("attempts", flat=True)) == {0}


def test_who_makes_a_deleted_exchange_anew_binds_the_receivers_of_others(
    rabbitmq: str, contracts: Any
) -> None:
    contracts(account_opened=[OTHER])
    events = transports.current().names.events
    to = open_publisher()
    to.prepare()
    brokers.current().delete_event_exchange()
    with transports.current().connect("another") as opened:
        third = Topology("third-service", transports.current().names.prefix)
        AmqpBindings(opened, third).restore_exchanges()
        channel: Any = opened.channel()
        channel.basic_publish_confirm(amqp.Message(b"{}"), events.name, "account.opened", mandatory=True)
    to.close()
    assert waiting_in(theirs().event_queue) == 1


@pytest.mark.parametrize("lost", ["a binding", "the exchange"])
def test_a_running_ingest_makes_what_it_lost_again(
    broker: str, lost: str, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    monkeypatch.setattr(ingest, "RESTORE_EVERY_S", 0.1)
    listen()
    with receiving():
        if lost == "a binding":
            unbind(transports.current().names.event_queue, "account.opened")
        else:
            brokers.current().delete_event_exchange()
        until(lambda: brokers.current().is_bound("account.opened"))


def test_a_message_that_comes_while_bindings_are_made_again_is_stored_without_a_wait() -> None:
    waits: list[float] = []

    class Quiet:
        def drain_events(self, timeout: float) -> None:
            waits.append(timeout)
            raise TimeoutError

    consumer = AmqpConsumer(Quiet(), None)  # type: ignore[arg-type]
    message = SimpleNamespace(delivery_info={}, body=b"a message", properties={}, headers={}, problem="")
    consumer._arrived.append(message)
    assert [arrival.body for arrival in consumer.take(100, timeout_s=0.5)] == [b"a message"]
    assert waits == [0.0]
