"""From the broker to the inbox: ingest acknowledges after the commit, and no message disappears."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from django.db import DataError, connection, transaction
from testproject.models import Note

from atoll.bus import Message, handles, on
from atoll.bus.broker import redis, redis_channels, transports
from atoll.bus.broker.envelope import Envelope
from atoll.bus.broker.messages import Arrival
from atoll.bus.broker.transports import open_publisher
from atoll.bus.handlers import registry
from atoll.bus.inbox import ingest
from atoll.bus.inbox import store as inbox
from atoll.bus.inbox.receiving import receive
from atoll.bus.models import Delivery, Inbox, Quarantine
from atoll.bus.operations import recovery
from atoll.bus.outbox import relay
from atoll.bus.publishing import publish_raw

from .conftest import Until
from .receiver import receiving
from .stranger import Stranger

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handlers")]


@dataclass
class Asked:
    text: str


def listen() -> None:
    @on("note.asked")
    def write(event: Asked, message: Message) -> None:
        Note.objects.create(text=f"{event.text} from {message.service_id}")

    @handles("erase.note")
    def erase(command: Asked, message: Message) -> None:
        Note.objects.filter(text=command.text).delete()


def notes() -> list[str]:
    return list(Note.objects.order_by("pk").values_list("text", flat=True))


@pytest.fixture
def stranger(rabbitmq: str) -> Any:
    opened = Stranger(rabbitmq)
    yield opened
    opened.close()


def test_a_foreign_producer_without_id_and_version_is_understood(stranger: Stranger, until: Until) -> None:
    listen()
    body = json.dumps({"eventType": "note.asked", "data": {"text": "hello"}, "mood": "sunny"}).encode()
    with receiving():
        stranger.publish("note.asked", body, app_id="legacy")
        stranger.publish("note.asked", body, app_id="legacy")
        stranger.publish("note.asked", body.replace(b"hello", b"bye"))
        until(lambda: Note.objects.count() == 2)
    assert notes() == ["hello from legacy", "bye from unknown"]
    assert json.loads(Inbox.objects.order_by("id")[0].body)["mood"] == "sunny"


def test_poison_is_quarantined_with_every_byte_and_its_neighbours_are_handled(
    stranger: Stranger, until: Until
) -> None:
    listen()
    poison = b'\xff\x00{"eventType": "note.asked"'
    with receiving():
        stranger.publish("note.asked", b'{"eventType": "note.asked", "data": {"text": "before"}}')
        stranger.publish("note.asked", poison, headers={"x-odd": "\u0000 value"}, message_id="p-1")
        stranger.publish("note.asked", b'{"eventType": "note.asked", "data": {"text": "after"}}')
        until(lambda: Note.objects.count() == 2 and Quarantine.objects.count() == 1)
    row = Quarantine.objects.get()
    assert bytes(row.body) == poison
    assert row.queue == transports.current().names.event_queue.name
    assert (row.routing_key, row.status, row.properties["message_id"]) == ("note.asked", "waiting", "p-1")
    assert row.headers == {"x-odd": " value"}
    assert row.reason == "The body is not UTF-8 at byte 0."
    assert stranger.depth(transports.current().names.event_queue.name) == 0


def test_a_command_that_nothing_here_handles_is_loud_and_can_be_replayed_later(
    stranger: Stranger, until: Until
) -> None:
    with receiving():
        stranger.command("library-service", b'{"command": "write.note", "data": {"text": "x"}}')
        until(Quarantine.objects.exists)
    row = Quarantine.objects.get()
    assert row.reason == "Nothing in this service handles the command write.note."
    assert recovery.replay_quarantined(row.pk) is False
    assert Inbox.objects.count() == 0

    @handles("write.note")
    def write(command: Asked, message: Message) -> None: ...

    assert recovery.replay_quarantined(row.pk) is True
    row.refresh_from_db()
    assert (row.status, row.note, Delivery.objects.get().status) == ("replayed", "1 deliveries", "pending")


def test_killed_after_the_commit_and_before_the_ack_the_copy_is_dropped(
    broker: str, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    listen()
    _declare()
    _publish("note.asked", {"text": "once"})
    stored = []

    def store_and_die(*args: Any, **options: Any) -> Any:
        stored.append(original(*args, **options))
        monkeypatch.setattr(ingest, "receive", original)
        raise ConnectionResetError("killed between commit and ack")

    original = ingest.receive
    monkeypatch.setattr(ingest, "receive", store_and_die)
    with receiving() as receiver:
        until(lambda: stored and _is_drained())
        assert receiver.runs == []
    assert (Inbox.objects.count(), Delivery.objects.get().attempts) == (1, 0)


def test_while_the_database_is_away_the_broker_keeps_everything(
    broker: str, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    listen()
    _declare()
    for number in range(3):
        _publish("note.asked", {"text": str(number)})
    outages = []

    def store(envelopes: Any, **rest: Any) -> Any:
        if len(outages) < 2:
            outages.append(envelopes)
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return original(envelopes)

    original = inbox.store
    monkeypatch.setattr(inbox, "store", store)
    with receiving():
        until(lambda: Note.objects.count() == 3)
    assert sorted(notes()) == [f"{n} from library-service" for n in range(3)]
    assert len(outages) == 2


def test_what_arrives_while_ingest_stops_is_there_for_the_next_one(broker: str, until: Until) -> None:
    listen()
    _declare()
    sent: list[str] = []
    done = threading.Event()

    def keep_sending() -> None:
        publisher = open_publisher()
        while not done.is_set():
            with transaction.atomic():
                publish_raw("note.asked", {"text": str(len(sent))})
            relay.step(publisher)
            sent.append(f"{len(sent)} from library-service")
        publisher.close()
        connection.close()

    sender = threading.Thread(target=keep_sending)
    sender.start()
    try:
        for _ in range(3):
            with receiving() as receiver:
                until(lambda: receiver.runs)
    finally:
        done.set()
        sender.join()
    with receiving():
        until(lambda: Note.objects.count() == len(sent))
    assert sorted(notes()) == sorted(sent)


def test_what_a_killed_process_had_just_taken_comes_back(
    valkey: str, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    monkeypatch.setattr(redis, "VISIBILITY_TIMEOUT_S", 1)
    listen()
    _declare()
    _publish("note.asked", {"text": "taken"})
    with _redis() as client:
        assert client.rpop(transports.current().names.event_queue.name)
    with receiving():
        until(lambda: Note.objects.exists())
        until(_nothing_is_noted)
    assert notes() == ["taken from library-service"]


def test_a_message_that_waited_too_long_in_its_queue_takes_effect_once(
    valkey: str, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    monkeypatch.setattr(redis, "VISIBILITY_TIMEOUT_S", 0)
    listen()
    _declare()
    for number in range(3):
        _publish("note.asked", {"text": str(number)})
    with receiving():
        until(lambda: Note.objects.count() == 3 and _nothing_is_noted() and _is_drained())
    assert sorted(notes()) == [f"{n} from library-service" for n in range(3)]
    assert Inbox.objects.count() == 3


def test_what_the_database_refuses_does_not_keep_its_neighbours_out(
    rabbitmq: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen()

    def store(envelopes: Sequence[Envelope], **rest: Any) -> list[UUID]:
        if any(message.data["text"] == "refuse me" for message in envelopes):
            raise DataError("no such encoding")
        return original(envelopes)

    original = inbox.store
    monkeypatch.setattr(inbox, "store", store)
    bodies = [
        json.dumps({"eventType": "note.asked", "data": {"text": text}}).encode()
        for text in ("a", "refuse me", "b")
    ]
    assert len(receive([Arrival("evt", "note.asked", body, {}, {}) for body in bodies])) == 2
    row = Quarantine.objects.get()
    assert bytes(row.body) == bodies[1]
    assert row.reason == "The database cannot store it: no such encoding"


def test_a_message_is_kept_for_each_handler_that_matches_it_exactly(until: Until) -> None:
    @on("note.*")
    def one(event: dict[str, Any], message: Message) -> None: ...

    @on("note.#")
    def two(event: dict[str, Any], message: Message) -> None: ...

    found = {handler.function.__name__ for handler in registry.handlers_for("event", "note.line.added")}
    assert found == {"two"}
    assert len(registry.handlers_for("event", "note.added")) == 2


def _declare() -> None:
    with transports.current().connect("test") as opened:
        transports.current().names.declare_queues(opened.channel(), exact_matching=True)


def _is_drained() -> bool:
    with transports.current().connect("test") as opened:
        return bool(
            transports.current().names.event_queue(opened.channel()).queue_declare().message_count == 0
        )


@contextmanager
def _redis() -> Iterator[Any]:
    """A client that sees the keys under the transport's names."""
    with transports.current().connect("test") as opened:
        yield opened.default_channel.client


def _nothing_is_noted() -> bool:
    with _redis() as client:
        return not client.exists(*redis_channels.unacked_keys("ingest", "library-service").values())


def _publish(event_type: str, data: dict[str, Any]) -> None:
    with transaction.atomic():
        publish_raw(event_type, data)
    publisher = open_publisher()
    relay.step(publisher)
    publisher.close()
