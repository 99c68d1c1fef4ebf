"""Order from one service's commits to another's handlers, through a real broker and its failures."""

import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

import pytest
from django.db import connection, transaction
from testproject.models import Note

from atoll.bus import Message, on, publish
from atoll.bus.broker import redis, transports
from atoll.bus.broker.transports import open_publisher
from atoll.bus.delivery import executor, statements
from atoll.bus.delivery import store as deliveries
from atoll.bus.inbox import ingest
from atoll.bus.inbox import store as inbox
from atoll.bus.inbox.ingest import Ingestor
from atoll.bus.models import Delivery, Inbox, Outbox
from atoll.bus.operations import recovery
from atoll.bus.outbox import relay
from atoll.bus.outbox import store as outbox

from .arrivals import store_one
from .conftest import Until
from .receiver import every_delivery_hinted, receiving

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handlers")]

KEYS = "abc"


@dataclass
class Counted:
    type: ClassVar[str] = "count.made"
    key: str
    number: int


def listen() -> None:
    @on("count.made", ordered=True)
    def note(event: Counted, message: Message) -> None:
        Note.objects.create(text=f"{event.key} {event.number}")


def seen() -> dict[str, list[int]]:
    """Return the numbers of each key in the order of their handling."""
    found: dict[str, list[int]] = {key: [] for key in KEYS}
    for text in Note.objects.order_by("pk").values_list("text", flat=True):
        key, number = text.split()
        found[key].append(int(number))
    return found


def announce(numbers: range) -> None:
    for number in numbers:
        with transaction.atomic():
            for key in KEYS:
                publish(Counted(key, number), key=key)


def declare() -> None:
    with transports.current().connect("test") as opened:
        transports.current().names.declare_queues(opened.channel(), exact_matching=True)


class Consumer:
    """One instance of the service: its ingest on a thread. Another object runs the stored deliveries."""

    def __init__(self, stored: list[UUID]) -> None:
        self.ingestor = Ingestor(stored.extend)
        self._thread = threading.Thread(target=self.ingestor.run)
        self._thread.start()

    def stop(self) -> None:
        self.ingestor.stop()
        self._thread.join(20)
        assert not self._thread.is_alive()


@contextmanager
def consumers(count: int, stored: list[UUID]) -> Iterator[list[Consumer]]:
    with every_delivery_hinted(), ExitStack() as stack:
        started = []
        for _ in range(count):
            started.append(Consumer(stored))
            stack.callback(started[-1].stop)
        yield started


def test_handlers_see_a_keys_messages_in_the_order_of_their_commits(broker: str, until: Until) -> None:
    listen()
    declare()
    publisher = open_publisher()
    with receiving():
        announce(range(10))
        while relay.step(publisher):
            pass
        until(lambda: Note.objects.count() == 30)
    publisher.close()
    assert seen() == {key: list(range(10)) for key in KEYS}
    assert set(Delivery.objects.values_list("status", "attempts")) == {("done", 1)}


def test_of_several_instances_one_consumes_and_another_takes_over(broker: str, until: Until) -> None:
    listen()
    declare()
    stored: list[UUID] = []
    with consumers(3, stored) as instances:
        until(lambda: all(each.ingestor.ready.is_set() for each in instances))
        (active,) = [each for each in instances if each.ingestor.consuming.is_set()]
        publisher = open_publisher()
        announce(range(5))
        relay.step(publisher)
        until(lambda: Inbox.objects.count() == 15)
        active.stop()
        announce(range(5, 10))
        relay.step(publisher)
        publisher.close()
        until(lambda: Inbox.objects.count() == 30)
        assert sum(each.ingestor.consuming.is_set() for each in instances) == 1
    random.Random(5).shuffle(stored)
    for each in stored:
        executor.execute(each)
    assert seen() == {key: list(range(10)) for key in KEYS}


def test_without_an_ordered_handler_every_instance_consumes(broker: str, until: Until) -> None:
    @on("count.made")
    def note(event: Counted, message: Message) -> None: ...

    with consumers(2, []) as instances:
        until(lambda: all(each.ingestor.consuming.is_set() for each in instances))


def test_losing_its_database_session_an_instance_loses_its_lock_and_stores_nothing_more(
    broker: str, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    listen()
    declare()
    stored: list[UUID] = []
    first_to_store = threading.Event()

    def store_or_lose(envelopes: object, **rest: object) -> list[UUID]:
        if not first_to_store.is_set():
            first_to_store.set()
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return original(envelopes)  # type: ignore[arg-type]

    original = inbox.store
    monkeypatch.setattr(inbox, "store", store_or_lose)
    announce(range(10))
    publisher = open_publisher()
    relay.step(publisher)
    publisher.close()
    with consumers(2, stored):
        until(lambda: Inbox.objects.count() == 30)
    for each in stored:
        executor.execute(each)
    assert first_to_store.is_set()
    assert seen() == {key: list(range(10)) for key in KEYS}


def test_copies_of_what_was_published_change_neither_order_nor_effects(broker: str, until: Until) -> None:
    listen()
    declare()
    announce(range(6))
    publisher = open_publisher()
    for _ in range(3):
        Outbox.objects.update(status="pending", next_attempt_at="2000-01-01T00:00:00Z")
        relay.step(publisher)
    publisher.close()
    with receiving() as receiver:
        until(lambda: Note.objects.count() == 18)
        until(lambda: len(receiver.runs) == 18)
    assert seen() == {key: list(range(6)) for key in KEYS}
    assert Inbox.objects.count() == 18


def test_messages_that_a_broker_brings_in_another_order_are_never_run_out_of_order_unseen(
    broker: str, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    monkeypatch.setattr(ingest, "BATCH", 2)
    monkeypatch.setattr(ingest, "PREFETCH", 2)
    listen()
    declare()
    announce(range(10))
    rows = outbox.due(100)
    random.Random(99).shuffle(rows)
    publisher = open_publisher()
    assert len(publisher.publish(rows).published) == 30
    publisher.close()
    with receiving() as receiver:
        until(lambda: len(receiver.runs) == 30)
    for key, numbers in seen().items():
        assert numbers == sorted(numbers), key
    late = Delivery.objects.filter(status="dead")
    assert late.exists()
    assert {row.error_group for row in late} == {
        "Dead: It arrived after a later message of its key had been handled. A replay runs it now."
    }
    while late.all().exists():
        recovery.replay_deliveries([row.id for row in late.all()])
        for row in Delivery.objects.filter(status="pending").order_by("position"):
            executor.execute(row.id)
    assert {key: sorted(numbers) for key, numbers in seen().items()} == {key: list(range(10)) for key in KEYS}


@pytest.mark.usefixtures("valkey")
def test_on_the_embedded_broker_a_backlog_that_is_put_back_keeps_its_order(
    monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    monkeypatch.setattr(redis, "VISIBILITY_TIMEOUT_S", 0)
    monkeypatch.setattr(redis, "PUT_BACK_EVERY_S", 0.05)
    listen()
    declare()
    announce(range(40))
    publisher = open_publisher()
    relay.step(publisher)
    publisher.close()
    with receiving():
        until(lambda: Note.objects.count() == 120)
    assert seen() == {key: list(range(40)) for key in KEYS}
    assert set(Delivery.objects.values_list("status", flat=True)) == {"done"}


def test_a_claim_of_another_of_the_same_lane_at_the_same_moment_is_refused_by_the_database() -> None:
    @on("count.made", ordered=True)
    def note(event: Counted, message: Message) -> None: ...

    first = store_one("count.made", {"key": "a", "number": 1}, key="a", sequence=1)
    second = store_one("count.made", {"key": "a", "number": 2}, key="a", sequence=2)
    assert deliveries.claim(first)
    found = deliveries.claim_with(
        statements.CLAIM_UNORDERED, {"id": second, "now": None, "has_ordered": False}
    )
    assert found is None
    assert list(Delivery.objects.order_by("position").values_list("status", flat=True)) == [
        "running",
        "pending",
    ]
