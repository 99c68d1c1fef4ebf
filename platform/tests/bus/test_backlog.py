"""Workers handle a backlog without delaying new messages."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from django.db import connection, transaction
from django.db.models import F
from testproject.models import Note

from atoll.bus import Message, on, publish
from atoll.bus.broker.messages import Arrival, Outgoing
from atoll.bus.broker.publisher import Outcome
from atoll.bus.delivery import backlog
from atoll.bus.delivery import store as deliveries
from atoll.bus.inbox.receiving import CROWD, FRESH_S, receive
from atoll.bus.models import Delivery, Outbox
from atoll.bus.outbox import relay
from atoll.bus.outbox import store as outbox
from atoll.bus.outbox.pace import ALONE_S, BATCH, LEAD_S, PAUSE_S, POLL_EVERY_S, SLICE, Pace
from atoll.ids import uuid7

from .test_lanes import arrive as arrive_in_lane
from .test_lanes import listen as listen_in_lanes
from .test_lanes import statuses

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handlers")]

LONG_AGO = timedelta(hours=1)
STOCK = """
INSERT INTO atoll_bus_outbox
    (message_id, kind, name, destination, key, body, correlation_id,
     status, attempts, error, next_attempt_at, created_at)
SELECT gen_random_uuid(), kind, name, destination, key, body, correlation_id,
    status, attempts, error, next_attempt_at, created_at
FROM generate_series(1, %s), (SELECT * FROM atoll_bus_outbox ORDER BY id DESC LIMIT 1) AS one
"""


class Clock:
    """A monotonic clock that the test moves."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@dataclass(frozen=True)
class Asked:
    type: ClassVar[str] = "note.asked"
    text: str


class Recorder:
    """Replaces the broker and keeps the published messages in order."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def publish(self, rows: Sequence[Outgoing]) -> Outcome:
        self.texts += [json.loads(row.body)["data"]["text"] for row in rows]
        return Outcome(published=[row.id for row in rows])


def listen() -> None:
    @on("note.asked")
    def write(event: Asked, message: Message) -> None:
        Note.objects.create(text=event.text)


def notes() -> list[str]:
    return list(Note.objects.order_by("pk").values_list("text", flat=True))


def announce(*texts: str, age: timedelta = timedelta(), key: str | None = None) -> None:
    with transaction.atomic():
        for text in texts:
            publish(Asked(text), key=key)
            Outbox.objects.filter(body__contains=f'"{text}"').update(created_at=F("created_at") - age)


def arrival(text: str, *, age_s: float = 0.0) -> Arrival:
    sent_at = datetime.now(UTC) - timedelta(seconds=age_s)
    body: dict[str, Any] = {
        "id": str(uuid7()),
        "eventType": "note.asked",
        "data": {"text": text},
        "timestamp": sent_at.isoformat(),
    }
    return Arrival("evt", "note.asked", json.dumps(body).encode(), {}, {})


def hinted(ids: Sequence[Any]) -> set[str]:
    bodies = Delivery.objects.filter(id__in=ids).values_list("message__body", flat=True)
    return {json.loads(body)["data"]["text"] for body in bodies}


def test_in_a_crowd_only_new_messages_get_a_hint() -> None:
    listen()
    old = [arrival(f"old {number}", age_s=FRESH_S * 2) for number in range(CROWD)]
    assert hinted(receive([*old, arrival("new")])) == {"new"}
    assert hinted(deliveries.sweep(100)) == {f"old {number}" for number in range(CROWD)}


def test_a_message_that_is_late_but_alone_gets_its_hint() -> None:
    listen()
    assert hinted(receive([arrival("late", age_s=FRESH_S * 2)])) == {"late"}


def test_working_off_runs_what_is_due_longest_first_until_nothing_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "SLICE_S", 60.0)
    listen()
    for number in (3, 1, 2):
        receive([arrival(str(number))])
        Delivery.objects.filter(message__body__contains=f'"{number}"').update(
            hint_at=F("created_at") - timedelta(minutes=10 - number)
        )
    assert backlog.work_off() is False
    assert notes() == ["1", "2", "3"]


def test_working_off_stops_after_its_slice_and_says_that_more_may_be_due(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backlog, "SLICE_S", 0.0)
    listen()
    receive([arrival("waits")])
    assert backlog.work_off() is True
    assert notes() == []


def test_working_off_leaves_alone_what_a_hint_was_sent_for() -> None:
    listen()
    receive([arrival("hinted")])
    assert backlog.work_off() is False
    assert notes() == []


def stock(count: int) -> None:
    """Old messages that wait in the outbox."""
    announce("old", age=LONG_AGO)
    with connection.cursor() as cursor:
        cursor.execute(STOCK, [count - 1])


def turn(pace: Pace, published: Any) -> list[str]:
    before = len(published.texts)
    relay.step(published, pace.read())
    return list(published.texts[before:])


def test_while_new_messages_come_10_000_old_ones_go_out_in_small_slices(
    clock: Clock,
) -> None:
    stock(10_000)
    published: Any = Recorder()
    pace = Pace(clock)
    assert turn(pace, published) == ["old"] * SLICE
    for number in range(20):
        announce(f"new {number}")
        clock.now_s += PAUSE_S
        assert turn(pace, published) == [f"new {number}", *["old"] * SLICE]
        announce(f"newer {number}")
        assert turn(pace, published) == [f"newer {number}"]
        assert 0 < pace.pause_s() <= PAUSE_S
    clock.now_s += ALONE_S
    assert len(turn(pace, published)) == BATCH
    assert pace.pause_s() == 0


def test_large_new_messages_beside_a_backlog_are_no_larger_batch_than_others(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock(1_000)
    published: Any = Recorder()
    pace = Pace(clock)
    assert turn(pace, published) == ["old"] * SLICE
    announce(*["x" * 1000] * 5)
    monkeypatch.setattr("atoll.bus.outbox.pace.BATCH_CHARACTERS", 3000)
    assert [len(turn(pace, published)) for _ in range(3)] == [2, 2, 1]


def test_a_backlog_begins_with_slices_so_that_receivers_learn_of_it(clock: Clock) -> None:
    stock(10_000)
    published: Any = Recorder()
    pace = Pace(clock)
    begun_s = clock.now_s
    while clock.now_s < begun_s + LEAD_S:
        assert len(turn(pace, published)) == SLICE
        clock.now_s += pace.pause_s()
    assert len(turn(pace, published)) == BATCH
    assert pace.pause_s() == 0


def test_a_new_message_passes_old_ones_but_none_of_its_key(clock: Clock) -> None:
    announce("first", age=LONG_AGO, key="account 1")
    stock(BATCH)
    announce("second", "third", key="account 1")
    announce("fourth", "fifth", key="account 2")
    published: Any = Recorder()
    pace = Pace(clock)
    assert turn(pace, published) == ["fourth", "fifth", "first", *["old"] * (SLICE - 1)]
    assert turn(pace, published) == ["second", "third"]
    clock.now_s += ALONE_S
    assert turn(pace, published) == ["old"] * (BATCH - SLICE + 1)
    assert pace.pause_s() == POLL_EVERY_S


def test_messages_of_a_key_that_are_all_new_go_together_and_those_behind_an_old_one_wait() -> None:
    announce("first", age=LONG_AGO, key="account 1")
    announce("second", key="account 1")
    announce("third", "fourth", key="account 2")
    texts = [json.loads(row.body)["data"]["text"] for row in outbox.new(10)]
    assert texts == ["third", "fourth"]
    assert outbox.new(1) == []


def test_a_backlog_goes_through_lanes_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "SLICE_S", 60.0)
    listen_in_lanes()
    for number, key in ((2, "a"), (1, "a"), (3, "b"), (4, None)):
        arrive_in_lane(number, key)
    Delivery.objects.update(hint_at=F("created_at") - timedelta(minutes=1))
    assert backlog.work_off() is False
    assert notes() == ["4", "1", "2", "3"]


def test_a_backlog_does_not_pass_a_dead_delivery_in_its_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "SLICE_S", 60.0)
    listen_in_lanes(lambda number: ValueError("broken") if number == 1 else None)
    for number, key in ((1, "a"), (2, "a"), (3, "b")):
        arrive_in_lane(number, key)
    Delivery.objects.update(hint_at=F("created_at") - timedelta(minutes=1))
    assert backlog.work_off() is False
    assert notes() == ["3"]
    assert statuses() == ["dead", "pending", "done"]
