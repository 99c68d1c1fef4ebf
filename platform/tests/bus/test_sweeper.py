"""The sweeper: hints for what is due, and everything that nobody else goes on with."""

import itertools
import threading
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
from django.db.models import F
from django.utils import timezone

from atoll.bus import Message, on
from atoll.bus.delivery import store as deliveries
from atoll.bus.delivery import sweeper
from atoll.bus.delivery.sweeper import Sweeper
from atoll.bus.models import Delivery

from .arrivals import store_one
from .conftest import Until
from .database_sessions import another_connection

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handlers")]


@dataclass
class NoteAsked:
    text: str


class Hints:
    """Keeps the hints and counts the rounds with a backlog."""

    def __init__(self) -> None:
        self.hinted: list[UUID] = []
        self.backlogs = 0

    def __call__(self, delivery_ids: list[UUID]) -> None:
        self.hinted += delivery_ids

    def send_empty(self) -> None:
        self.backlogs += 1


def due(count: int = 1, *, ordered: bool = False) -> list[UUID]:
    """Deliveries whose first hint was lost."""

    @on("note.asked", ordered=ordered)
    def write(event: NoteAsked, message: Message) -> None:
        """It is never run here."""

    ids = [store_one("note.asked", {"text": str(n)}, key="a", sequence=n) for n in range(1, count + 1)]
    Delivery.objects.update(hint_at=F("hint_at") - timedelta(minutes=1))
    return ids


def test_without_a_broker_no_hint_is_spent_and_all_that_is_due_gets_one_when_it_is_back() -> None:
    ids = due(3)
    hints, is_there = Hints(), threading.Event()
    under_test = Sweeper(hints, hints.send_empty, may_hint=is_there.is_set)
    for number in range(3):
        under_test.round(number)
    assert (hints.hinted, set(Delivery.objects.values_list("hints", flat=True))) == ([], {0})
    is_there.set()
    under_test.round(3)
    assert (sorted(hints.hinted), hints.backlogs) == (sorted(ids), 0)
    under_test.round(4)
    assert len(hints.hinted) == 3


def test_more_due_deliveries_than_hints_of_one_round_are_worked_off_as_a_backlog() -> None:
    due(sweeper.HINTS_AT_ONCE + 1)
    hints = Hints()
    Sweeper(hints, hints.send_empty).round(1)
    assert (len(hints.hinted), hints.backlogs) == (sweeper.HINTS_AT_ONCE, 1)


def test_without_a_broker_claims_of_ended_processes_are_still_taken_back(until: Until) -> None:
    (delivery_id,) = due()
    with another_connection() as holder:
        holder.execute("SELECT pg_backend_pid()")
        session = holder.fetchone()[0]
        assert deliveries.claim(delivery_id)
        Delivery.objects.update(session=session, claimed_at=timezone.now())
    hints = Hints()
    under_test = Sweeper(hints, hints.send_empty, may_hint=lambda: False)

    def is_back() -> bool:
        under_test.round(0)
        return not Delivery.objects.exclude(session=None).exists()

    until(is_back)
    assert deliveries.claim(delivery_id)


def test_a_database_that_comes_back_is_swept_again(until: Until, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "LONGEST_PAUSE_S", 0.01)
    hints = Hints()
    under_test = Sweeper(hints, hints.send_empty)
    thread = threading.Thread(target=under_test.run)
    failures = [ConnectionError("away")] * 2

    def sweep(*_: object, **__: object) -> list[UUID]:
        if failures:
            raise failures.pop()
        return [UUID(int=1)]

    monkeypatch.setattr(deliveries, "sweep", sweep)
    thread.start()
    until(lambda: hints.hinted)
    under_test.stop()
    thread.join(10)
    assert (thread.is_alive(), failures) == (False, [])


@pytest.mark.parametrize("phase_s", [0.1, 0.3, 0.5, 0.8])
def test_each_of_two_workers_gets_some_of_the_hints_that_are_repeated(
    phase_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    under_test = Sweeper(Hints(), lambda: None)
    monkeypatch.setattr(under_test, "round", lambda number: None)
    monkeypatch.setattr(
        under_test._stopping, "wait", lambda pause_s: pauses.append(pause_s) or len(pauses) >= 100
    )
    under_test.run()
    # Redis gives a message to the consumer that waits longest. Both begin to wait anew after 1 s, and Redis
    # looks ten times a second who has waited so long.
    waiting_since, now, taken = [0.0, phase_s], 5.0, []
    for pause_s in pauses:
        now += pause_s
        waiting_since = [began + (now - began) // 1.05 * 1.05 for began in waiting_since]
        taken.append(waiting_since.index(min(waiting_since)))
        waiting_since[taken[-1]] = now
    assert len(pauses) == 100
    assert max(len(list(same)) for _, same in itertools.groupby(taken)) < 30
