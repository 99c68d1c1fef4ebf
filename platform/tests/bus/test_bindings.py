"""Queues and bindings exist before the first message, and return after somebody deleted them."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import amqp
import kombu
import pytest
from amqp.exceptions import AccessRefused
from django.db import transaction
from testproject.models import Note

from atoll.bus import Message, on, send
from atoll.bus.broker import bindings, publisher, subscribers, transports
from atoll.bus.broker.amqp import AmqpConsumer
from atoll.bus.broker.amqp_bindings import AmqpBindings
from atoll.bus.broker.publisher import Publisher
from atoll.bus.broker.subscribers import Address
from atoll.bus.broker.topology import Topology
from atoll.bus.broker.transports import open_publisher
from atoll.bus.inbox import ingest
from atoll.bus.models import Outbox
from atoll.bus.operations import stats
from atoll.bus.outbox import relay
from atoll.bus.outbox.relay import Relay
from atoll.bus.publishing import publish_raw
from atoll.testing.conformance.scenario import CloseAccount

from . import brokers
from .conftest import Until
from .receiver import receiving

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handlers")]

OURS, OTHER = "library-service", "other-service"


def listen() -> None:
    @on("account.opened")
    def note(event: dict[str, Any], message: Message) -> None:
        Note.objects.create(text=str(event["number"]))


def announce(*numbers: int, name: str = "account.opened", key: str | None = None) -> None:
    for number in numbers:
        with transaction.atomic():
            publish_raw(name, {"number": number}, key=key)


def notes() -> list[int]:
    return sorted(int(text) for text in Note.objects.values_list("text", flat=True))


def outgoing() -> list[tuple[str, int, str]]:
    return list(Outbox.objects.order_by("id").values_list("status", "attempts", "error"))


def all_are_published() -> bool:
    return set(Outbox.objects.values_list("status", flat=True)) == {"published"}


@pytest.fixture
def contracts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write a document with the receivers of each event of this service."""

    def write(**receivers: list[str]) -> None:
        made: dict[str, Any] = {"channels": {}, "operations": {}}
        for name, services in receivers.items():
            event = name.replace("_", ".")
            channel = f"events.{event}"
            made["channels"][channel] = {
                "address": event,
                "bindings": {"amqp": {"exchange": {"name": "events"}}},
            }
            for action, service in (("send", OURS), *(("receive", service) for service in services)):
                made["operations"][f"{service}.{action}.{channel}"] = {
                    "action": action,
                    "channel": {"$ref": f"#/channels/{channel}"},
                    "tags": [{"name": service}],
                }
        place = tmp_path / "asyncapi.json"
        place.write_text(json.dumps(made))
        monkeypatch.setattr(subscribers, "DOCUMENT", place)

    yield write
    with transports.current().connect("cleaning") as opened:
        theirs().event_queue(opened.channel()).delete()


def theirs() -> Topology:
    names = transports.current().names
    return Topology(OTHER, names.prefix, names.queue_type)


@pytest.fixture
def to(broker: str) -> Iterator[Publisher]:
    opened = open_publisher()
    yield opened
    opened.close()


@contextmanager
def relaying() -> Iterator[Relay]:
    """Run a relay beside the test."""
    running = Relay()
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        assert running.connected.wait(20)
        yield running
    finally:
        running.stop()
        thread.join(20)
        assert not thread.is_alive()


def waiting_in(queue: kombu.Queue) -> int:
    with transports.current().connect("test") as opened:
        return int(queue(opened.channel()).queue_declare().message_count)


def unbind(queue: kombu.Queue, key: str) -> None:
    names = transports.current().names
    with transports.current().connect("test") as opened:
        channel: Any = opened.channel()
        names.declare_exchanges(channel)
        queue(channel).unbind_from(names.events, routing_key=key)


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


def test_an_event_that_the_broker_cannot_route_to_its_receiver_is_kept_until_it_can(
    rabbitmq: str, contracts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    contracts(account_opened=[OURS])
    listen()
    to = open_publisher()
    to.prepare()
    monkeypatch.setattr(AmqpBindings, "renew", lambda *_: None)
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
