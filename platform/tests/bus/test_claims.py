"""Claims: one worker at a time; counted before the handler runs; ended with the claiming session."""

import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone
from testproject.models import Note

from atoll.bus import Message, Retry, on
from atoll.bus.delivery import executor
from atoll.bus.delivery import store as deliveries
from atoll.bus.models import Delivery
from atoll.testing.bus import Bus

from .arrivals import store_one
from .conftest import Until
from .database_sessions import another_connection

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handlers")]


@dataclass
class Asked:
    text: str


def notes() -> list[str]:
    return list(Note.objects.order_by("pk").values_list("text", flat=True))


def test_an_attempt_is_counted_and_committed_before_the_handler_runs(atoll_bus: Bus) -> None:
    seen: list[Any] = []

    @on("note.asked")
    def look_from_outside(event: Asked, message: Message) -> None:
        with another_connection() as cursor:
            cursor.execute("SELECT status, attempts FROM atoll_bus_delivery")
            seen.append(cursor.fetchone())

    atoll_bus.deliver("note.asked", {"text": "x"}, times=1)
    assert seen == [("running", 1)]


def test_a_worker_that_lost_its_lease_changes_nothing(atoll_bus: Bus) -> None:
    @on("note.asked")
    def write(event: Asked, message: Message) -> None:
        Note.objects.create(text=f"attempt {message.attempt}")

    delivery_id = store_one("note.asked", {"text": "x"})
    slow = deliveries.claim(delivery_id)
    assert slow is not None
    assert deliveries.claim(delivery_id) is None
    later = timezone.now() + timedelta(minutes=2)
    assert executor.execute(delivery_id, later) == 1
    executor.attempt(slow)
    assert notes() == ["attempt 2"]
    row = Delivery.objects.get()
    assert (row.status, row.attempts) == ("done", 2)


def test_a_claim_ends_with_the_session_that_made_it(atoll_bus: Bus, until: Until) -> None:
    @on("note.asked")
    def write(event: Asked, message: Message) -> None:
        Note.objects.create(text=f"attempt {message.attempt}")

    delivery_id = store_one("note.asked", {"text": "x"})
    with another_connection() as holder:
        holder.execute("SELECT pg_backend_pid()")
        session = holder.fetchone()[0]
        assert deliveries.claim(delivery_id)
        Delivery.objects.update(session=session, claimed_at=Now())
        assert deliveries.take_back() == 0
        assert executor.execute(delivery_id) == 0
    until(lambda: deliveries.take_back() == 1)
    assert executor.execute(delivery_id) == 1
    assert notes() == ["attempt 2"]


def test_a_session_that_is_younger_than_a_claim_does_not_hold_it(atoll_bus: Bus) -> None:
    @on("note.asked")
    def write(event: Asked, message: Message) -> None: ...

    assert deliveries.claim(store_one("note.asked", {"text": "x"}))
    assert deliveries.take_back() == 0
    Delivery.objects.update(claimed_at=timezone.now() - timedelta(days=1))
    assert deliveries.take_back() == 1


def test_a_handler_that_takes_its_process_down_each_time_is_dead_after_its_attempts(atoll_bus: Bus) -> None:
    @on("note.asked", retry=Retry(immediate=1, delayed_s=()))
    def write(event: Asked, message: Message) -> None:
        Note.objects.create(text="never")

    delivery_id = store_one("note.asked", {"text": "x"})
    for _ in range(2):
        assert deliveries.claim(delivery_id)
        Delivery.objects.update(next_attempt_at=Now())
    assert executor.execute(delivery_id) == 1
    row = Delivery.objects.get()
    assert (row.status, row.error) == ("dead", "Each of 2 attempts ended with the process that made it.")
    assert notes() == []


def test_of_many_workers_with_the_same_hint_one_runs_the_handler() -> None:
    @on("note.asked")
    def write(event: Asked, message: Message) -> None:
        Note.objects.create(text=event.text)

    delivery_id = store_one("note.asked", {"text": "once"})
    start = threading.Barrier(6)
    attempts: list[int] = []

    def work() -> None:
        start.wait()
        attempts.append(executor.execute(delivery_id))
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sorted(attempts), notes()) == ([0, 0, 0, 0, 0, 1], ["once"])


def test_a_hint_that_got_lost_is_sent_again_later_and_later() -> None:
    @on("note.asked")
    def write(event: Asked, message: Message) -> None: ...

    delivery_id = store_one("note.asked", {"text": "x"})
    waits_s = []
    for _ in range(8):
        due = Delivery.objects.get().hint_at
        assert deliveries.sweep(10, due - timedelta(milliseconds=1)) == []
        assert deliveries.sweep(10, due) == [delivery_id]
        waits_s.append((Delivery.objects.get().hint_at - due).total_seconds())
    assert waits_s == [10, 20, 40, 80, 160, 320, 640, 640]


def test_an_edited_body_is_run_in_place_of_what_arrived() -> None:
    @on("note.asked")
    def write(event: Asked, message: Message) -> None:
        Note.objects.create(text=event.text)

    delivery_id = store_one("note.asked", {"text": "wrong"})
    Delivery.objects.update(edited_body='{"eventType": "note.asked", "data": {"text": "right"}}')
    assert executor.execute(delivery_id) == 1
    assert notes() == ["right"]
    assert Delivery.objects.get().message.body.count("wrong") == 1
