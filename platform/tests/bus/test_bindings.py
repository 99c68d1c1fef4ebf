"""Queues and bindings exist before the first message."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kombu
import pytest
from amqp.exceptions import AccessRefused
from django.db import transaction

from atoll.bus import on, send
from atoll.bus.broker import bindings, publisher, subscribers, transports
from atoll.bus.broker.publisher import Publisher
from atoll.bus.broker.subscribers import Address
from atoll.bus.broker.transports import open_publisher
from atoll.bus.models import Outbox
from atoll.bus.operations import stats
from atoll.bus.outbox import relay
from atoll.bus.outbox.relay import Relay
from atoll.testing.conformance.scenario import CloseAccount

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
    waiting_in,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handlers")]


@pytest.fixture
def contracts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with contracts_document(tmp_path, monkeypatch) as write:
        yield write


@pytest.fixture
def to(broker: str) -> Iterator[Publisher]:
    opened = open_publisher()
    yield opened
    opened.close()


def test_the_first_event_of_a_service_to_itself_arrives_although_only_its_relay_runs_yet(
    broker: str, until: Until
) -> None:
    listen()
    announce(1)
    with relaying():
        until(all_are_published)
    with receiving():
        until(lambda: notes() == [1])


def test_a_relay_whose_own_queue_cannot_be_declared_publishes_nothing(rabbitmq: str, until: Until) -> None:
    listen()
    announce(1)
    name = transports.current().names.event_queue.name
    with transports.current().connect("test") as opened:
        opened.channel().queue_declare(name, durable=False, auto_delete=False)
    running = Relay()
    thread = threading.Thread(target=running.run)
    thread.start()
    assert not running.connected.wait(1.0)
    assert outgoing() == [("pending", 0, "")]
    with transports.current().connect("test") as opened:
        opened.channel().queue_delete(name)
    with receiving():
        until(lambda: notes() == [1])
    running.stop()
    thread.join(20)
    assert not thread.is_alive()


def test_what_goes_to_a_service_that_has_never_been_up_waits_in_its_queue(
    contracts: Any, to: Publisher
) -> None:
    contracts(account_opened=[OTHER])
    announce(1, 2, name="account.opened")
    announce(3, name="account.closed")
    to.prepare()
    assert relay.step(to) == 3
    assert all_are_published()
    assert waiting_in(theirs().event_queue) == 2


def test_what_has_no_known_receiver_is_published_as_before(to: Publisher) -> None:
    announce(1)
    to.prepare()
    assert relay.step(to) == 1
    assert outgoing() == [("published", 0, "")]


def test_what_a_receiver_would_miss_because_its_queue_may_not_be_made_is_kept_in_order(
    rabbitmq: str, contracts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    contracts(account_opened=[OTHER], account_closed=[OURS])
    listen()
    on("account.closed")(lambda event, message: None)
    original = kombu.Queue.queue_declare

    def declare(queue: kombu.Queue, *args: Any, passive: bool = False, **options: Any) -> Any:
        if queue.name == theirs().event_queue.name and not passive:
            raise AccessRefused("no permission")
        return original(queue, *args, passive=passive, **options)

    monkeypatch.setattr(kombu.Queue, "queue_declare", declare)
    to = open_publisher()
    to.prepare()
    announce(1, key="a")
    announce(2, name="account.closed", key="a")
    announce(3, name="account.closed")
    assert relay.step(to) == 3
    reason = bindings.NEVER_UP.format(OTHER)
    assert outgoing() == [
        ("pending", 0, reason),
        ("pending", 0, publisher.BEHIND.format(reason)),
        ("published", 0, ""),
    ]
    assert relay.step(to) == 0
    backlog = stats.ledger_counts()
    assert (backlog.to_publish, backlog.unroutable, backlog.refused) == (2, 2, 0)
    monkeypatch.setattr(kombu.Queue, "queue_declare", original)
    to.prepare()
    Outbox.objects.update(next_attempt_at="2000-01-01T00:00:00Z")
    assert relay.step(to) == 2
    to.close()
    assert all_are_published()
    assert waiting_in(theirs().event_queue) == 1


def test_a_queue_that_we_may_not_bind_is_left_to_its_owner_and_gets_what_it_is_bound_for(
    rabbitmq: str, contracts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    contracts(account_opened=[OTHER])
    with transports.current().connect("test") as opened:
        channel = opened.channel()
        transports.current().names.declare_exchanges(channel)
        theirs().event_queue(channel).queue_declare()
        theirs().event_queue(channel).bind_to(transports.current().names.events.name, routing_key="account.*")

    def refuse(queue: kombu.Queue, *args: Any, **options: Any) -> Any:
        if queue.name == theirs().event_queue.name:
            raise AccessRefused("no permission")
        return original(queue, *args, **options)

    original = kombu.Queue.bind_to
    monkeypatch.setattr(kombu.Queue, "bind_to", refuse)
    to = open_publisher()
    to.prepare()
    announce(1)
    assert relay.step(to) == 1
    to.close()
    assert outgoing() == [("published", 0, "")]
    assert waiting_in(theirs().event_queue) == 1


def test_a_command_for_a_service_that_nobody_knows_is_refused_as_before(to: Publisher) -> None:
    with transaction.atomic():
        send(CloseAccount(1), to="nobody-service")
    to.prepare()
    assert relay.step(to) == 1
    assert outgoing() == [("pending", 1, publisher.UNROUTABLE.format("nobody-service"))]


def test_the_platforms_own_document_names_the_receivers() -> None:
    found = subscribers.of("payment-service")
    assert found[Address("event", "payment.completed")] == {"order-service"}
    assert found[Address("command", "payment-service")] == {"payment-service"}
    assert subscribers.of("order-service")[Address("command", "product-service")] == {"product-service"}
    assert subscribers.of("library-service") == {}


def test_without_a_document_nobody_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscribers, "DOCUMENT", tmp_path / "none.json")
    assert (subscribers.of("payment-service"), subscribers.of_all()) == ({}, {})
