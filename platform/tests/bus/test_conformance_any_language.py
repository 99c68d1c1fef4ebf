"""Programs without Atoll, in Node.js and Python, publish and consume events and commands."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from django.db import transaction
from testproject.models import Note

from atoll.bus import Message, handles, on, publish, send
from atoll.bus.broker import transports
from atoll.bus.broker.transports import open_publisher
from atoll.bus.models import Inbox, Outbox
from atoll.bus.outbox import relay
from atoll.testing.foreign_clients import ForeignClient, foreign_client

from .conftest import Until
from .receiver import receiving

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handlers")]


@dataclass
class Opened:
    type: ClassVar[str] = "account.opened"
    owner: str


@dataclass
class Close:
    command: ClassVar[str] = "close.account"
    to: ClassVar[str] = "mail-service"
    outside: ClassVar[bool] = True
    owner: str


@pytest.fixture(params=["node", "python"])
def client(request: pytest.FixtureRequest, rabbitmq: str) -> ForeignClient:
    return foreign_client(request.param, rabbitmq, os.environ["BUS_PREFIX"])


@pytest.fixture
def mail_service(rabbitmq: str) -> Iterator[str]:
    """The name of the foreign service's queue, which the fixture deletes afterwards."""
    name = f"{os.environ['BUS_PREFIX']}mail-service"
    yield name
    with transports.current().connect("cleaning") as opened:
        opened.channel().queue_delete(name)


def relay_all() -> None:
    publisher = open_publisher()
    relay.step(publisher)
    publisher.close()


def listen() -> None:
    @on("account.*")
    def note(event: dict[str, Any], message: Message) -> None:
        Note.objects.create(text=f"{event['owner']} by {message.service_id}")

    @handles("close.account")
    def close(command: Close, message: Message) -> None:
        Note.objects.create(text=f"closed {command.owner} for {message.service_id}")


def notes() -> list[str]:
    return sorted(Note.objects.values_list("text", flat=True))


def test_it_reads_our_events(client: ForeignClient, mail_service: str) -> None:
    consuming = client.consume("event", "account.#", mail_service, count=2)
    with transaction.atomic():
        publish(Opened("Zoë 🐚"), key="account-1")
        publish(Opened("Max"))
    relay_all()
    keyed, plain = consuming.messages()
    row = Outbox.objects.order_by("id")[0]
    assert keyed["routingKey"] == "account.opened"
    assert keyed["body"] == json.loads(row.body)
    assert keyed["body"]["data"]["owner"] == "Zoë 🐚"
    headers = keyed["properties"].pop("headers")
    assert keyed["properties"] == {
        "messageId": str(row.message_id),
        "type": "account.opened",
        "appId": "library-service",
        "correlationId": row.correlation_id,
        "contentType": "application/json",
        "deliveryMode": 2,
    }
    assert headers.pop("traceparent").startswith("00-")
    assert headers == {"x-atoll-key": "account-1", "x-atoll-seq": str(row.key_sequence)}
    assert "x-atoll-key" not in plain["properties"]["headers"]


def test_it_takes_our_commands(client: ForeignClient, mail_service: str) -> None:
    consuming = client.consume("command", "mail-service", mail_service, count=1)
    with transaction.atomic():
        send(Close("Max"))
    relay_all()
    (message,) = consuming.messages()
    assert message["routingKey"] == "mail-service"
    assert message["body"]["command"] == message["properties"]["type"] == "close.account"
    assert "eventType" not in message["body"]
    assert Outbox.objects.get().status == "published"


def test_we_hear_its_events_with_every_field_and_keep_those_we_do_not_know(
    client: ForeignClient, until: Until
) -> None:
    listen()
    body = {
        "id": str(uuid4()),
        "eventType": "account.opened",
        "data": {"owner": "Zoë 🐚", "colour": "green"},
        "timestamp": "2026-11-23T10:00:00.000Z",
        "serviceId": "bank",
        "correlationId": "trip-number-1",
        "version": 1,
        "mood": {"is": "sunny"},
    }
    with receiving():
        client.publish("event", "account.opened", body)
        client.publish("event", "account.opened", body)
        client.publish("event", "account.opened", body | {"id": str(uuid4())})
        until(lambda: Note.objects.count() == 2)
    assert notes() == ["Zoë 🐚 by bank"] * 2
    row = Inbox.objects.order_by("id")[0]
    assert json.loads(row.body) == body
    assert (row.dedupe_key, row.correlation_id) == (f"bank/{body['id']}", "trip-number-1")
    assert row.sent_at.isoformat() == "2026-11-23T10:00:00+00:00"


def test_properties_stand_in_for_fields_that_are_absent(client: ForeignClient, until: Until) -> None:
    listen()
    body = {"eventType": "account.opened", "data": {"owner": "Max"}}
    properties = {"messageId": "m-1", "appId": "till", "correlationId": "trip-number-2"}
    with receiving():
        client.publish("event", "account.opened", body, properties)
        client.publish("event", "account.opened", body, properties)
        client.publish("event", "account.opened", body, properties | {"messageId": "m-2"})
        until(lambda: Note.objects.count() == 2)
    assert notes() == ["Max by till"] * 2
    assert list(Inbox.objects.order_by("id").values_list("dedupe_key", "correlation_id", "version")) == [
        ("till/m-1", "trip-number-2", 1),
        ("till/m-2", "trip-number-2", 1),
    ]


def test_with_neither_the_same_event_counts_once(client: ForeignClient, until: Until) -> None:
    listen()
    with receiving():
        for owner in ("Max", "Max", "Zoë"):
            client.publish(
                "event", "account.opened", {"eventType": "account.opened", "data": {"owner": owner}}
            )
        until(lambda: Note.objects.count() == 2)
    assert notes() == ["Max by unknown", "Zoë by unknown"]


def test_we_carry_out_its_commands(client: ForeignClient, until: Until) -> None:
    listen()
    with receiving():
        client.publish("command", "library-service", {"command": "close.account", "data": {"owner": "Max"}})
        full = {"id": "c-1", "command": "close.account", "data": {"owner": "Zoë"}, "serviceId": "bank"}
        client.publish("command", "library-service", full)
        client.publish("command", "library-service", full)
        until(lambda: Note.objects.count() == 2)
    assert notes() == ["closed Max for unknown", "closed Zoë for bank"]


def test_it_is_told_of_a_command_that_nobody_takes(client: ForeignClient) -> None:
    with pytest.raises(AssertionError, match=r"No service takes commands as nobody-service\."):
        client.publish("command", "nobody-service", {"command": "close.account", "data": {}})
