"""From the outbox to the broker: no row skipped, none out of order, none lost in an outage."""

import threading
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from testproject.models import Note

from atoll.bus import Message, handles, on, publish, send
from atoll.bus.broker import transports
from atoll.bus.broker.publisher import Publisher
from atoll.bus.broker.transports import open_publisher
from atoll.bus.handlers import registry
from atoll.bus.models import Inbox, Outbox
from atoll.bus.outbox import relay
from atoll.bus.outbox import store as outbox
from atoll.bus.outbox.relay import Relay
from atoll.bus.publishing import publish_raw

from .conftest import Until
from .database_sessions import another_connection
from .receiver import receiving
from .recording_publisher import RecordingPublisher

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handlers")]


@dataclass
class Opened:
    type: ClassVar[str] = "account.opened"
    number: int


@dataclass
class Close:
    command: ClassVar[str] = "close.account"
    to: ClassVar[str] = "library-service"
    number: int


def announce(*numbers: int, key: str | None = None) -> None:
    with transaction.atomic():
        for number in numbers:
            publish(Opened(number), key=key)


def count_notes() -> int:
    return Note.objects.count()


def statuses() -> list[str]:
    return list(Outbox.objects.order_by("id").values_list("status", flat=True))


@pytest.fixture
def publisher(broker: str) -> Any:
    opened = open_publisher()
    yield opened
    opened.close()


def listen() -> list[int]:
    """Handle both message types. Returns the numbers in the order of their handling."""
    seen: list[int] = []

    @on("account.opened")
    def note(event: Opened, message: Message) -> None:
        Note.objects.create(text=str(event.number))
        seen.append(event.number)

    @handles("close.account")
    def close(command: Close, message: Message) -> None:
        Note.objects.create(text=f"closed {command.number}")
        seen.append(command.number)

    return seen


def test_events_and_commands_reach_their_handlers_in_order(publisher: Publisher, until: Until) -> None:
    seen = listen()
    with receiving():
        announce(1, 2, 3, key="a")
        with transaction.atomic():
            send(Close(4), key="a")
        assert relay.step(publisher) == 4
        until(lambda: len(seen) == 4)
    assert sorted(seen) == [1, 2, 3, 4]
    assert [number for number in seen if number != 4] == [1, 2, 3]
    assert statuses() == ["published"] * 4
    assert relay.step(publisher) == 0


def test_a_relay_killed_before_it_marks_publishes_again_and_the_inbox_drops_the_copy(
    publisher: Publisher, until: Until
) -> None:
    seen = listen()
    with receiving():
        announce(1)
        assert len(publisher.publish(outbox.claim(10)).published) == 1
        assert relay.step(publisher) == 0
        Outbox.objects.update(next_attempt_at="2000-01-01T00:00:00Z")
        assert relay.step(publisher) == 1
        announce(2)
        relay.step(publisher)
        until(lambda: 2 in seen)
    assert (seen, count_notes(), Inbox.objects.count()) == ([1, 2], 2, 2)


def test_a_transaction_that_commits_late_is_not_skipped(publisher: Publisher) -> None:
    has_written, may_commit = threading.Event(), threading.Event()

    def slow_writer() -> None:
        with transaction.atomic():
            publish(Opened(1))
            has_written.set()
            may_commit.wait(10)
        connection.close()

    thread = threading.Thread(target=slow_writer)
    thread.start()
    assert has_written.wait(10)
    announce(2)
    assert relay.step(publisher) == 1
    may_commit.set()
    thread.join()
    assert relay.step(publisher) == 1
    assert statuses() == ["published", "published"]


def test_a_command_that_nobody_can_take_stays_visible_and_goes_out_later(
    publisher: Publisher, until: Until
) -> None:
    with transaction.atomic():
        send(Close(1))
    relay.step(publisher)
    row = Outbox.objects.get()
    assert (row.status, row.attempts) == ("pending", 1)
    assert row.error == "No queue on the broker takes commands for library-service; has its worker ever run?"
    assert relay.step(publisher) == 0
    seen = listen()
    with receiving():
        until(lambda: relay.step(publisher))
        until(lambda: seen == [1])
    row.refresh_from_db()
    assert (row.status, row.error) == ("published", "")


def test_properties_and_headers_are_those_of_the_contract(rabbitmq: str) -> None:
    with transports.current().connect("test") as opened:
        channel = opened.channel()
        names = transports.current().names
        names.declare_exchanges(channel)
        queue, _, _ = channel.queue_declare(exclusive=True)
        channel.queue_bind(queue, names.events.name, "#")
        announce(7, key="account-7")
        publisher = open_publisher()
        relay.step(publisher)
        publisher.close()
        message = channel.basic_get(queue, no_ack=True)
    row = Outbox.objects.get()
    headers = message.properties.pop("application_headers")
    assert message.body == row.body
    assert message.properties == {
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "delivery_mode": 2,
        "message_id": str(row.message_id),
        "type": "account.opened",
        "app_id": "library-service",
        "correlation_id": row.correlation_id,
        "timestamp": int(row.created_at.timestamp()),
    }
    assert headers.pop("traceparent").startswith("00-")
    assert headers == {"x-atoll-key": "account-7", "x-atoll-seq": str(row.key_sequence)}


def test_several_relays_share_the_work_and_publish_each_row_once() -> None:
    announce(*range(300))
    publishers = [RecordingPublisher(), RecordingPublisher()]
    start = threading.Barrier(2)

    def work(publisher: RecordingPublisher) -> None:
        start.wait()
        while rows := outbox.claim(20):
            outbox.mark_published(publisher.publish(rows).published)
        connection.close()

    threads = [threading.Thread(target=work, args=(publisher,)) for publisher in publishers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    published = [row.id for publisher in publishers for row in publisher.rows]
    assert len(published) == len(set(published)) == 300
    assert all(publisher.rows for publisher in publishers)


def test_a_later_message_of_a_key_waits_while_an_earlier_one_is_under_way() -> None:
    announce(1, key="a")
    first = outbox.claim(10)
    assert first[0].key_sequence is not None
    announce(2, key="a")
    announce(3, key="b")
    assert [row.key for row in outbox.claim(10)] == ["b"]
    outbox.mark_published([row.id for row in first])
    assert [(row.key, row.key_sequence) for row in outbox.claim(10)] == [("a", first[0].key_sequence + 1)]


def test_a_broker_outage_costs_no_attempt_and_the_backlog_goes_out_by_itself(
    broker: str, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    seen = listen()
    transports.current().connect("test").ensure_connection(max_retries=1).close()
    away = f"{broker.partition('://')[0]}://127.0.0.1:9121/0"
    with receiving():
        monkeypatch.setenv("RABBITMQ_URL", away)
        under_test = Relay()
        thread = threading.Thread(target=under_test.run)
        thread.start()
        announce(*range(20))
        assert not under_test.connected.wait(0.5)
        assert set(Outbox.objects.values_list("status", "attempts", "error")) == {("pending", 0, "")}
        monkeypatch.setenv("RABBITMQ_URL", broker)
        until(lambda: len(seen) == 20)
        under_test.stop()
        thread.join(10)
    assert not thread.is_alive()
    assert set(Outbox.objects.values_list("status", "attempts")) == {("published", 0)}


def test_a_broker_lost_in_the_middle_of_a_batch_gives_the_doubtful_rows_back(broker: str) -> None:
    announce(1, 2)
    publisher = open_publisher()
    publisher._connection.collect()
    with pytest.raises(Exception):  # noqa: B017
        relay.step(publisher)
    assert [row.attempts for row in Outbox.objects.all()] == [0, 0]
    assert len(outbox.claim(10)) == 2


def test_a_relay_takes_back_what_one_that_is_gone_had_claimed(until: Until) -> None:
    announce(1, 2)
    with another_connection() as holder:
        holder.execute("SELECT pg_backend_pid()")
        session = holder.fetchone()[0]
        assert len(outbox.claim(10)) == 2
        Outbox.objects.update(session=session, claimed_at=Now())
        assert outbox.take_back() == 0
    until(lambda: outbox.take_back() == 2)
    assert len(outbox.claim(10)) == 2


def test_a_row_that_waits_after_a_refusal_is_nobodys_to_take_back() -> None:
    announce(1)
    (row,) = outbox.claim(10)
    outbox.mark_refused(row.id, "not now")
    assert outbox.take_back() == 0
    assert outbox.claim(10) == []


def test_a_commit_wakes_the_relay(broker: str, until: Until, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "POLL_EVERY_S", 3600.0)
    seen = listen()
    under_test = Relay()
    thread = threading.Thread(target=under_test.run)
    with receiving():
        thread.start()
        assert under_test.connected.wait(10)
        for number in range(5):
            announce(number)
            until(lambda: len(seen) == number + 1)  # noqa: B023
        under_test.stop()
        thread.join(10)
    assert not thread.is_alive()


def test_registering_for_a_pattern_receives_what_the_pattern_means(
    publisher: Publisher, until: Until
) -> None:
    seen: list[str] = []

    @on("account.#")
    def note(event: dict[str, Any], message: Message) -> None:
        seen.append(message.type)

    with receiving():
        with transaction.atomic():
            for event_type in ("account", "account.opened", "accounting.opened", "account.line.added"):
                publish_raw(event_type, {})
        relay.step(publisher)
        until(lambda: len(seen) == 3)
    assert seen == ["account", "account.opened", "account.line.added"]
    assert registry.event_patterns() == ["account.#"]
