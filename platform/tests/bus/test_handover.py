"""The consumer hands new deliveries over to free places of its worker's pool, without a hint."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from testproject.models import Note

from atoll.bus import Message, on
from atoll.bus.broker.messages import Arrival
from atoll.bus.delivery import attempt_slots, executor
from atoll.bus.delivery import store as deliveries
from atoll.bus.delivery.fast_path import FastPath
from atoll.bus.handlers import known
from atoll.bus.handlers.registry import handles
from atoll.bus.inbox.receiving import receive
from atoll.bus.models import Delivery
from atoll.bus.worker import handover
from atoll.bus.worker.handover import Handover

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handlers")]


class Pool:
    """Keeps the functions that it is to run."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def run_all(self) -> None:
        while self.waiting:
            self.waiting.pop(0)()


@pytest.fixture
def pool() -> Pool:
    return Pool()


@pytest.fixture
def path(pool: Pool) -> FastPath:
    """The fast path of a worker with a pool of two places."""
    known.reload()
    return FastPath(first=0, pool=Handover(pool.waiting.append, 2, lambda _: None))


@pytest.fixture
def leaving() -> Iterator[None]:
    attempt_slots.leave()
    yield
    attempt_slots.stay()


def arrivals(*numbers: int, kind: str = "eventType", again: bool = False) -> list[Arrival]:
    bodies = [
        {"id": f"m-{number}", kind: "note.asked", "data": {"text": str(number)}, "serviceId": "note-service"}
        for number in numbers
    ]
    return [
        Arrival("evt", "note.asked", json.dumps(body).encode(), {}, {}, is_redelivered=again)
        for body in bodies
    ]


def listen() -> None:
    @on("note.asked", name="writes", run="pool")
    def write(event: dict[str, Any], message: Message) -> None:
        Note.objects.create(text=f"{event['text']}, attempt {message.attempt}")


def notes() -> list[str]:
    return list(Note.objects.order_by("id").values_list("text", flat=True))


def statuses() -> list[tuple[str, int]]:
    return list(Delivery.objects.order_by("message_id").values_list("status", "attempts"))


def test_free_places_get_claimed_deliveries_and_the_others_get_hints(path: FastPath, pool: Pool) -> None:
    listen()
    assert len(receive(arrivals(1, 2, 3), path)) == 1
    assert statuses() == [("running", 1), ("running", 1), ("pending", 0)]
    assert len(receive(arrivals(4), path)) == 1
    pool.run_all()
    assert notes() == ["1, attempt 1", "2, attempt 1"]
    assert receive(arrivals(5), path) == []
    assert len(pool.waiting) == 1


def test_a_hint_cannot_run_what_was_handed_over_and_a_copy_is_not_handed_over(
    path: FastPath, pool: Pool
) -> None:
    listen()
    receive(arrivals(1), path)
    receive(arrivals(1), path)
    assert executor.execute(Delivery.objects.get().id) == 0
    assert deliveries.sweep(10) == []
    pool.run_all()
    assert notes() == ["1, attempt 1"]


def test_a_message_that_comes_again_is_counted_before_it_runs(path: FastPath, pool: Pool) -> None:
    @on("note.asked", name="writes")
    def write(event: dict[str, Any], message: Message) -> None:
        Note.objects.create(text=event["text"])

    receive(arrivals(1, again=True), path)
    assert (statuses(), notes()) == ([("running", 1)], [])
    pool.run_all()
    assert (statuses(), notes()) == ([("done", 1)], ["1"])


def test_before_runs_outside_a_transaction_after_its_attempt_was_committed(
    path: FastPath, pool: Pool
) -> None:
    seen: list[Any] = []

    def ask(command: dict[str, Any], message: Message) -> str:
        seen.append((connection.in_atomic_block, statuses()))
        return f"answer to {command['text']}"

    @handles("note.asked", before=ask)
    def write(command: dict[str, Any], message: Message, answer: str) -> None:
        Note.objects.create(text=answer)

    assert receive(arrivals(1, kind="command"), path) == []
    pool.run_all()
    assert (seen, notes()) == ([(False, [("running", 1)])], ["answer to 1"])


def test_the_claim_of_a_consumer_that_ended_is_taken_back_counted(path: FastPath) -> None:
    listen()
    receive(arrivals(1), path)
    assert deliveries.take_back() == 0
    connection.close()
    assert deliveries.take_back() == 1
    executor.execute(Delivery.objects.get().id)
    assert notes() == ["1, attempt 2"]


def test_a_consumer_with_a_new_session_keeps_what_it_has_handed_over(path: FastPath, pool: Pool) -> None:
    listen()
    receive(arrivals(1), path)
    connection.close()
    path.session_began()
    assert deliveries.take_back() == 0
    pool.run_all()
    assert (statuses(), notes()) == ([("done", 1)], ["1, attempt 1"])


def test_an_attempt_that_was_taken_back_changes_nothing_any_more(path: FastPath, pool: Pool) -> None:
    listen()
    receive(arrivals(1), path)
    connection.close()
    deliveries.take_back()
    executor.execute(Delivery.objects.get().id)
    pool.run_all()
    assert notes() == ["1, attempt 2"]


def test_a_worker_that_leaves_gives_deliveries_back_uncounted(
    path: FastPath, pool: Pool, request: pytest.FixtureRequest
) -> None:
    listen()
    receive(arrivals(1), path)
    request.getfixturevalue("leaving")
    pool.run_all()
    assert (statuses(), notes()) == ([("pending", 0)], [])
    assert deliveries.sweep(10) == [Delivery.objects.get().id]


def test_a_claim_that_has_waited_for_long_is_given_back(
    path: FastPath, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen()
    receive(arrivals(1), path)
    monkeypatch.setattr(handover, "LATE_S", 0.0)
    pool.run_all()
    assert (statuses(), notes()) == ([("pending", 0)], [])


def test_a_pool_that_has_ended_lets_nothing_wait() -> None:
    listen()
    known.reload()

    def refuse(_: Callable[[], None]) -> None:
        attempt_slots.leave()
        raise RuntimeError("cannot schedule new futures after shutdown")

    try:
        receive(arrivals(1), FastPath(first=0, pool=Handover(refuse, 2, lambda _: None)))
    finally:
        attempt_slots.stay()
    assert (statuses(), notes()) == ([("pending", 0)], [])


def test_a_session_that_has_ended_meanwhile_costs_no_attempt(path: FastPath, pool: Pool) -> None:
    listen()
    receive(arrivals(1), path)
    connection.connection.close()
    pool.run_all()
    assert (statuses(), notes()) == ([("done", 1)], ["1, attempt 1"])
