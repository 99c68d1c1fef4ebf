"""Proven senders, on a real RabbitMQ with users of this module."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.test import Client
from pika.exceptions import ChannelClosedByBroker
from testproject.handlers import NoteRequested
from testproject.models import Note

from atoll import conf
from atoll.bus import Message, contracts, handles, on, publish
from atoll.bus.broker import transports
from atoll.bus.broker.transports import open_publisher
from atoll.bus.handlers import known
from atoll.bus.models import Delivery, Inbox, Outbox, Quarantine
from atoll.bus.outbox import relay
from atoll.bus.schemas import asyncapi
from atoll.identity.roles import OPERATOR
from atoll.ids import uuid7
from atoll.testing.rights import signed_in

from .broker_users import RabbitmqctlRefused, Users, temporary_users
from .conftest import Until, _answers, _rabbitmq_url
from .receiver import receiving
from .user_client import ERP, OWN, PAYMENTS, THIEF, UserClient, definitions

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handlers")]

PAGE = "/admin/atoll_bus/quarantine"


@dataclass
class Said:
    text: str


@pytest.fixture(scope="module")
def users() -> Iterator[Users]:
    url = _rabbitmq_url()
    say = pytest.fail if conf.flag("ATOLL_REQUIRE_RABBITMQ") else pytest.skip
    if not _answers(url):
        say("no RabbitMQ answers here")
    held = temporary_users(url, OWN, PAYMENTS, ERP, THIEF)
    try:
        found = held.__enter__()
    except RabbitmqctlRefused as error:
        say(f"users of RabbitMQ cannot be made here: {error}")
    yield found
    held.__exit__(None, None, None)


@pytest.fixture
def switched_on(users: Users, monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path) -> Users:
    """This service as its own user, on a platform with contracts for two messages of others."""
    settings.ATOLL_SERVICE = users.name(OWN)
    document = tmp_path / contracts.DOCUMENT
    document.parent.mkdir()
    document.write_text(asyncapi.to_json(asyncapi.document([], definitions(users))))
    for name, value in {
        "ATOLL_ROOT": str(tmp_path),
        "BUS_PREFIX": f"{uuid7().hex[-12:]}.",
        "BUS_CHECK_SENDERS": "true",
        "LIBRARY_RABBITMQ_URL": users.url(OWN),
    }.items():
        monkeypatch.setenv(name, value)
    known.reload()
    return users


def listen() -> None:
    @on("payment.completed")
    def confirm(event: Said, message: Message) -> None:
        Note.objects.create(text=f"{event.text} paid by {message.service_id}")

    @on("legacy.*")
    def hear(event: Said, message: Message) -> None:
        Note.objects.create(text=f"{event.text} from {message.service_id}")

    @handles("write.note")
    def obey(command: Said, message: Message) -> None:
        Note.objects.create(text=f"{command.text} ordered by {message.service_id}")


@pytest.fixture
def sender(users: Users) -> Iterator[Any]:
    opened: list[UserClient] = []

    def open_one(short: str) -> UserClient:
        opened.append(UserClient(users, short))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


def notes() -> list[str]:
    return sorted(Note.objects.values_list("text", flat=True))


def reasons() -> list[str]:
    return list(Quarantine.objects.order_by("id").values_list("reason", flat=True))


def test_only_who_may_send_a_message_is_heard(switched_on: Users, sender: Any, until: Until) -> None:
    listen()
    thief, payments, erp = sender(THIEF), sender(PAYMENTS), sender(ERP)
    own_queue = transports.current().names.event_queue.name
    may = f" payment.completed may be sent by {payments.name}."
    with receiving():
        thief.say("payment.completed", "stolen", serviceId=payments.name)
        thief.say("payment.completed", "nameless")
        thief.say("payment.completed", "honest", serviceId=thief.name)
        thief.say("payment.completed", "behind", serviceId=payments.name, queue=own_queue)
        thief.say("payment.completed", "unsigned", serviceId=payments.name, user="")
        erp.say("payment.completed", "known elsewhere", serviceId=erp.name)
        thief.order("write.note", "commanded")
        payments.say("payment.completed", "as another", serviceId=erp.name)
        payments.say("payment.completed", "true", serviceId=payments.name)
        payments.order("write.note", "true", serviceId=payments.name)
        erp.say("legacy.ping", "without a name")
        until(lambda: Note.objects.count() == 3)
        until(lambda: Quarantine.objects.count() == 8)
    assert notes() == sorted([
        f"true paid by {payments.name}",
        f"true ordered by {payments.name}",
        f"without a name from {erp.name}",
    ])  # fmt: skip
    assert sorted(reasons()) == sorted([
        f"The broker user {thief.name} sent it, and its serviceId names another.{may}",
        f"The broker user {thief.name} sent it, and may not.{may}",
        f"The broker user {thief.name} sent it, and may not.{may}",
        f"The broker user {thief.name} sent it, and its serviceId names another.{may}",
        f"The message does not say which broker user sent it (AMQP's user_id).{may}",
        f"The broker user {erp.name} sent it, and may not.{may}",
        f"The broker user {thief.name} sent it, and may not. write.note may be sent by {payments.name}.",
        f"The broker user {payments.name} sent it, and its serviceId names another.{may}",
    ])  # fmt: skip
    assert sorted(Inbox.objects.values_list("service_id", flat=True)) == sorted(
        [payments.name, payments.name, erp.name]
    )


def test_what_the_contracts_do_not_know_is_refused_where_something_handles_it_and_stored_elsewhere(
    switched_on: Users, sender: Any, until: Until
) -> None:
    listen()
    erp = sender(ERP)
    queue = transports.current().names.event_queue.name
    with receiving():
        erp.say("legacy.pong", "a pattern would take it")
        erp.say("weather.changed", "nobody takes it", queue=queue)
        erp.say("weather.changed", "nobody knows who", queue=queue, user="")
        until(lambda: Inbox.objects.count() == 1 and Quarantine.objects.count() == 2)
    assert (Inbox.objects.get().name, Inbox.objects.get().service_id) == ("weather.changed", erp.name)
    assert Delivery.objects.count() == 0
    assert reasons() == [
        f"The broker user {erp.name} sent it, and docs/asyncapi.json does not say who may send a message of "
        "its name.",
        "The message does not say which broker user sent it (AMQP's user_id).",
    ]


def test_rabbitmq_takes_no_forged_user(switched_on: Users, sender: Any, until: Until) -> None:
    listen()
    thief = sender(THIEF)
    with receiving():
        with pytest.raises(ChannelClosedByBroker) as refused:
            thief.say("payment.completed", "forged", user=switched_on.name(PAYMENTS))
        assert refused.value.reply_code == 406
        assert "user_id" in refused.value.reply_text
        sender(PAYMENTS).say("payment.completed", "true")
        until(Note.objects.exists)
    assert notes() == [f"true paid by {switched_on.name(PAYMENTS)}"]
    assert Quarantine.objects.count() == 0


def test_a_service_hears_itself_through_its_own_relay(switched_on: Users, until: Until) -> None:
    @on("note.requested")
    def write(event: NoteRequested, message: Message) -> None:
        Note.objects.create(text=f"{event.text} from {message.service_id}")

    with transaction.atomic():
        publish(NoteRequested("mine"))
    publisher = open_publisher()
    with receiving():
        assert relay.step(publisher) == 1
        until(Note.objects.exists)
    publisher.close()
    assert notes() == [f"mine from {switched_on.name(OWN)}"]
    assert (Outbox.objects.get().status, Quarantine.objects.count()) == ("published", 0)


def test_with_the_switch_off_everybody_is_heard_as_before(
    switched_on: Users, sender: Any, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUS_CHECK_SENDERS", "false")
    listen()
    with receiving():
        sender(THIEF).say("payment.completed", "a", serviceId=switched_on.name(PAYMENTS))
        sender(THIEF).say("payment.completed", "b", user="")
        sender(THIEF).say("legacy.pong", "c", serviceId="anybody")
        until(lambda: Note.objects.count() == 3)
    assert notes() == [
        f"a paid by {switched_on.name(PAYMENTS)}",
        "b paid by payment-service",
        "c from anybody",
    ]
    assert Quarantine.objects.count() == 0


def test_a_refused_message_is_delivered_when_an_administrator_answers_for_it_and_by_nobody_else(
    switched_on: Users, sender: Any, until: Until, staff: Client
) -> None:
    listen()
    with receiving():
        sender(THIEF).say("payment.completed", "paid in cash", serviceId=switched_on.name(PAYMENTS))
        until(Quarantine.objects.exists)
    row = Quarantine.objects.get()
    operator = signed_in(OPERATOR)

    assert "0 rows" in acted(operator, "replay", row)
    assert operator.post(f"{PAGE}/{row.pk}/replay/").status_code == 302
    assert operator.post(f"{PAGE}/{row.pk}/vouch/", {"reason": "let it pass"}).status_code == 403
    acted(operator, "vouch", row, reason="let it pass", status=403)
    assert f"{PAGE}/{row.pk}/vouch" not in operator.get(f"{PAGE}/{row.pk}/change/").content.decode()
    assert "say why" in acted(staff, "vouch", row)
    assert "This field is required" in staff.post(f"{PAGE}/{row.pk}/vouch/").content.decode()
    row.refresh_from_db()
    assert (row.status, Inbox.objects.count(), LogEntry.objects.count()) == ("waiting", 0, 0)
    assert row.reason.startswith(f"The broker user {switched_on.name(THIEF)} sent it")

    assert f"{PAGE}/{row.pk}/vouch" in staff.get(f"{PAGE}/{row.pk}/change/").content.decode()
    assert staff.post(f"{PAGE}/{row.pk}/vouch/", {"reason": "seen the money"}).status_code == 302
    row.refresh_from_db()
    assert (row.status, row.note) == ("replayed", "1 deliveries")
    assert Inbox.objects.get().service_id == switched_on.name(PAYMENTS)
    entry = LogEntry.objects.get()
    assert (entry.user.username, entry.change_message) == (
        "ada",
        "delivered, whoever sent it: seen the money",
    )


def test_many_are_answered_for_from_the_list(
    switched_on: Users, sender: Any, until: Until, staff: Client
) -> None:
    listen()
    with receiving():
        sender(THIEF).order("write.note", "x")
        sender(THIEF).say("payment.completed", "y")
        until(lambda: Quarantine.objects.count() == 2)
    page = acted(staff, "vouch", *Quarantine.objects.all(), reason="a rehearsal")
    assert "2 rows: delivered, whoever sent it: a rehearsal." in page
    assert Delivery.objects.count() == 2


def test_what_a_proven_sender_may_send_an_operator_reads_again(
    switched_on: Users, sender: Any, until: Until
) -> None:
    with receiving():
        sender(PAYMENTS).order("write.note", "early")
        until(Quarantine.objects.exists)
    row = Quarantine.objects.get()
    assert row.reason == "Nothing in this service handles the command write.note."
    listen()
    assert "1 row: delivered." in acted(signed_in(OPERATOR), "replay", row)
    assert Inbox.objects.get().service_id == switched_on.name(PAYMENTS)


def test_the_same_bytes_of_another_sender_are_another_row(
    switched_on: Users, sender: Any, until: Until
) -> None:
    with receiving():
        for short in (PAYMENTS, THIEF):
            sender(short).order("write.note", "early", id="same")
        until(lambda: Quarantine.objects.count() == 2)
    listen()
    for row in Quarantine.objects.all():
        acted(signed_in(OPERATOR), "replay", row)
    assert sorted(Quarantine.objects.values_list("properties__user_id", "status")) == sorted(
        [(switched_on.name(PAYMENTS), "replayed"), (switched_on.name(THIEF), "waiting")]
    )


def acted(client: Client, action: str, *rows: Quarantine, reason: str = "", status: int = 200) -> str:
    """Run an action on rows of a list, and say yes where it asks first."""
    sent = {"action": action, "_selected_action": [str(row.pk) for row in rows], "reason": reason}
    response = client.post(f"{PAGE}/", sent, follow=True)
    if b'name="confirmed"' in response.content:
        response = client.post(f"{PAGE}/", sent | {"confirmed": f"{action}_chosen"}, follow=True)
    assert response.status_code == status
    return response.content.decode()
