"""From the outbox to the broker: no row skipped, none out of order, none lost in an outage."""

import os
import select
import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from structlog.testing import capture_logs
from testproject.models import Note

from atoll.bus import Message, handles, on, publish, send
from atoll.bus.broker import transports
from atoll.bus.broker.publisher import Outcome, Publisher
from atoll.bus.broker.transports import open_publisher
from atoll.bus.handlers import registry
from atoll.bus.models import Inbox, Outbox
from atoll.bus.outbox import pace, relay, wakeup
from atoll.bus.outbox import store as outbox
from atoll.bus.outbox.relay import Relay
from atoll.bus.outbox.relay_log import log_batch
from atoll.bus.outbox.wakeup import Bell
from atoll.bus.publishing import publish_raw

from .conftest import Until
from .receiver import receiving

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
        assert len(publisher.publish(outbox.due(10)).published) == 1
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
    # A slow machine would reach the time that the relay has chosen.
    Outbox.objects.update(next_attempt_at=Now() + timedelta(hours=1))
    assert relay.step(publisher) == 0
    Outbox.objects.update(next_attempt_at=Now())
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


def test_a_row_that_a_relay_of_the_version_before_has_claimed_is_left_alone_with_those_behind_it() -> None:
    announce(1, 2, key="a")
    announce(3, key="b")
    claimed = Outbox.objects.order_by("id")[0]
    Outbox.objects.filter(pk=claimed.pk).update(next_attempt_at=Now() + timedelta(seconds=30))
    assert [row.key for row in outbox.due(10)] == ["b"]
    outbox.mark_published([claimed.pk])
    assert [(row.key, row.key_sequence) for row in outbox.due(10)] == [
        ("a", claimed.key_sequence + 1),
        ("b", outbox.due(10)[1].key_sequence),
    ]


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
    assert len(outbox.due(10)) == 2


def test_a_row_waits_after_a_refusal() -> None:
    announce(1, 2)
    first, second = outbox.due(10)
    outbox.mark_refused({first.id: "not now", second.id: "not yet"})
    assert outbox.due(10) == []
    assert list(Outbox.objects.order_by("id").values_list("attempts", "error")) == [
        (1, "not now"),
        (1, "not yet"),
    ]


def test_a_batch_has_one_log_line_for_each_outcome_with_the_facts_of_its_messages() -> None:
    announce(1, 2, 3)
    rows = outbox.due(10)
    outcome = Outcome(published=[rows[0].id, rows[2].id], refused={rows[1].id: "not now"})
    with capture_logs() as lines:
        log_batch(rows, outcome)
    published, refused = lines
    assert (published["event"], published["count"]) == ("messages published", 2)
    assert [message["message_id"] for message in published["messages"]] == [
        str(rows[0].message_id),
        str(rows[2].message_id),
    ]
    assert refused == {
        "event": "messages refused by the broker",
        "log_level": "error",
        "count": 1,
        "message_type": "account.opened",
        "message_id": str(rows[1].message_id),
        "correlation_id": rows[1].correlation_id,
        "reason": "not now",
    }


def test_a_bell_wakes_its_thread_once_for_many_rings_and_not_from_a_forked_child() -> None:
    bell = Bell()
    assert not bell.silence()
    assert bell.ring()
    assert bell.ring()
    assert select.select([bell], [], [], 0)[0] == [bell]
    assert bell.silence()
    assert select.select([bell], [], [], 0)[0] == []
    bell._process = os.getpid() + 1
    assert not bell.ring()
    bell.close()


@pytest.mark.parametrize("is_here", [True, False], ids=["of its process", "of another process"])
def test_a_commit_wakes_the_relay(
    broker: str, until: Until, monkeypatch: pytest.MonkeyPatch, is_here: bool
) -> None:
    monkeypatch.setattr(pace, "POLL_EVERY_S", 3600.0)
    seen = listen()
    under_test = Relay()
    thread = threading.Thread(target=under_test.run)
    with receiving():
        thread.start()
        assert under_test.holds.wait(10)
        if not is_here:
            monkeypatch.setattr(wakeup, "_answering", None)
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
