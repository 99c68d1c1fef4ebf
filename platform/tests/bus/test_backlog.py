"""Workers handle a backlog without delaying new messages."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from django.db import transaction
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
from atoll.bus.outbox.relay import Relay
from atoll.ids import uuid7

from .test_lanes import arrive as arrive_in_lane
from .test_lanes import listen as listen_in_lanes
from .test_lanes import statuses

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handlers")]

LONG_AGO = timedelta(hours=1)


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


def test_the_newest_messages_can_be_claimed_before_a_backlog() -> None:
    announce("old 1", "old 2", age=LONG_AGO)
    announce("new 1", "new 2")
    published: Any = Recorder()
    relay.step(published, outbox.claim_new)
    assert published.texts == ["new 1", "new 2"]
    relay.step(published)
    assert published.texts == ["new 1", "new 2", "old 1", "old 2"]


def test_a_new_message_never_overtakes_an_older_one_of_its_key() -> None:
    announce("first", age=LONG_AGO, key="account 1")
    announce("second", key="account 1")
    announce("other", key="account 2")
    published: Any = Recorder()
    relay.step(published, outbox.claim_new)
    assert published.texts == ["other"]
    relay.step(published)
    assert published.texts == ["other", "first", "second"]


def test_a_relay_that_is_behind_publishes_new_messages_first_and_pauses_between_old_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay, "BATCH", 2)
    monkeypatch.setattr(relay, "SLICE", 1)
    announce("old 1", "old 2", "old 3", "old 4", age=LONG_AGO)
    published: Any = Recorder()
    steps = Relay()
    assert steps.publish(published, now=100.0) == 0.0
    announce("new")
    steps.note_news(100.0)
    assert steps.publish(published, now=100.0) == relay.PAUSE_S
    assert published.texts == ["old 1", "old 2", "new", "old 3"]
    announce("newer")
    # Within the pause, only what is new.
    assert steps.publish(published, now=100.01) == pytest.approx(relay.PAUSE_S - 0.01)
    assert published.texts == ["old 1", "old 2", "new", "old 3", "newer"]
    # No news for a while: at full speed again.
    later = 100.0 + relay.NEWS_S + 1
    assert steps.publish(published, now=later) == relay.POLL_EVERY_S
    assert published.texts[-1] == "old 4"


class Announcing(Recorder):
    """A publisher that announces a new message after certain rows, and stops its relay after another."""

    def __init__(self, news: dict[str, str], last: set[str]) -> None:
        super().__init__()
        self._news, self._last = news, last
        self.relay = Relay(open_publisher=lambda: self)  # type: ignore[arg-type, return-value]

    def publish(self, rows: Sequence[Outgoing]) -> Outcome:
        outcome = super().publish(rows)
        if news := self._news.pop(self.texts[-1], ""):
            announce(news)
        if self.texts[-1] in self._last:
            self.relay.stop()
        return outcome

    def socket(self) -> None:
        return None

    def keep_alive(self) -> None:
        return None

    def close(self) -> None:
        return None


def test_news_slows_a_relay_down_that_goes_through_its_backlog_at_full_speed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay, "BATCH", 2)
    monkeypatch.setattr(relay, "SLICE", 1)
    monkeypatch.setattr(relay, "PAUSE_S", 60.0)
    announce("old 1", "old 2", "old 3", "old 4", "old 5", age=LONG_AGO)
    broker = Announcing({"old 2": "new", "old 3": "newer"}, last={"newer", "old 5"})
    broker.relay.run()
    assert broker.texts == ["old 1", "old 2", "new", "old 3", "newer"]


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
