"""The reporter tells the registry of failures at once, and costs nothing while nothing fails."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from atoll.bus import Message, Retry, on
from atoll.bus.operations import causes
from atoll.bus.operations.at_stake import Amount, Question, Stake, Things, Timer
from atoll.bus.worker.failure_reporter import (
    ASK_EVERY_S,
    AT_MOST_EVERY_S,
    MOST_SHARE,
    QUIET_S,
    WHILE_FAILING_S,
    FailureReporter,
)
from atoll.errors import Unavailable
from atoll.testing.bus import Bus

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handlers")]


class Console:
    """The registry and the other services, as a reporter sees them."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.told: list[dict[str, Any]] = []
        self.asked: list[int] = []
        self.is_away = False
        self.stake = Stake()
        self.reporter = FailureReporter(self._tell, self._ask, clock=lambda: self.now_s)

    def _tell(self, report: dict[str, Any]) -> None:
        if self.is_away:
            raise Unavailable("registry", "does not answer")
        self.told.append(report)

    def _ask(self, questions: Sequence[Question]) -> list[Stake]:
        self.asked.append(len(questions))
        return [self.stake for _ in questions]

    def after(self, seconds: float) -> bool:
        self.now_s += seconds
        return self.reporter.step()


@pytest.fixture
def console() -> Console:
    return Console()


def fail_on_notes() -> list[bool]:
    broken = [True]

    @on("note.asked", retry=Retry(immediate=0, delayed_s=(5, 30)))
    def confirm(event: dict[str, Any], message: Message) -> None:
        if broken:
            raise KeyError("carrier")

    return broken


def test_the_first_failed_attempt_is_told_at_once(atoll_bus: Bus, console: Console) -> None:
    fail_on_notes()
    assert console.after(0)  # at its start it tells that nothing fails
    assert [report["causes"] for report in console.told] == [[]]
    atoll_bus.deliver("note.asked", {}, times=1)
    assert console.after(AT_MOST_EVERY_S)
    [cause] = console.told[-1]["causes"]
    assert (cause["name"], cause["failing"], cause["dead"]) == ("note.asked", 1, 0)
    assert cause["cause"].startswith("KeyError: 'carrier' in ")
    assert console.told[-1]["serviceName"] == "library-service"


def test_without_failures_the_ledger_is_read_once_a_minute(console: Console) -> None:
    assert console.after(0)
    looks = [console.after(QUIET_S / 10) for _ in range(10)]
    assert looks == [False] * 9 + [True]


def test_many_failures_are_told_once_a_second(atoll_bus: Bus, console: Console) -> None:
    fail_on_notes()
    console.after(0)
    for _ in range(5):
        atoll_bus.deliver("note.asked", {}, times=1)
    assert not console.after(AT_MOST_EVERY_S / 2)
    assert console.after(AT_MOST_EVERY_S / 2)
    assert console.told[-1]["causes"][0]["failing"] == 5
    assert not console.after(WHILE_FAILING_S / 2)


def test_reports_that_take_long_are_rare(
    atoll_bus: Bus, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_on_notes()
    read = causes.now_failing

    def slowly() -> causes.Causes:
        console.now_s += 2.0
        return read()

    monkeypatch.setattr(causes, "now_failing", slowly)
    atoll_bus.deliver("note.asked", {}, times=1)
    assert console.after(0)
    atoll_bus.deliver("note.asked", {}, times=1)
    assert not console.after(2.0 / MOST_SHARE - 2.5)
    assert console.after(0.5)
    assert console.told[-1]["causes"][0]["failing"] == 2


def test_the_end_of_a_failure_is_told(atoll_bus: Bus, console: Console) -> None:
    broken = fail_on_notes()
    atoll_bus.deliver("note.asked", {}, times=1)
    console.after(0)
    broken.clear()
    atoll_bus.run_due(timezone.now() + timedelta(seconds=6))
    assert console.after(WHILE_FAILING_S)
    assert console.told[-1]["causes"] == []


def test_the_things_at_stake_follow_the_first_report(atoll_bus: Bus, console: Console) -> None:
    fail_on_notes()
    atoll_bus.deliver("note.asked", {}, times=1)
    at = timezone.now()
    console.stake = Stake(
        timers=[Timer(name="expire.order", count=2, first_at=at)],
        things=[Things(name="orders", count=2, amounts=[Amount(currency="EUR", amount=Decimal("19.90"))])],
    )
    console.after(0)
    first, second = console.told
    assert (first["causes"][0]["things"], first["causes"][0]["timers"]) == ([], [])
    [cause] = second["causes"]
    assert cause["things"] == [
        {"name": "orders", "count": 2, "amounts": [{"currency": "EUR", "amount": Decimal("19.90")}]}
    ]
    assert [timer["name"] for timer in cause["timers"]] == ["expire.order"]
    console.after(WHILE_FAILING_S)
    assert console.told[-1]["causes"] == second["causes"]
    assert console.asked == [1]
    console.after(ASK_EVERY_S)
    assert console.asked == [1, 1]


def test_a_registry_that_is_away_is_told_later(atoll_bus: Bus, console: Console) -> None:
    fail_on_notes()
    atoll_bus.deliver("note.asked", {}, times=1)
    console.is_away = True
    assert console.after(0)
    assert not console.after(0.1)  # it waits longer with each try
    console.is_away = False
    assert console.after(WHILE_FAILING_S)
    assert console.told[-1]["causes"][0]["failing"] == 1


def test_a_database_that_is_away_ends_no_thread(
    atoll_bus: Bus, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import OperationalError

    def away() -> causes.Causes:
        raise OperationalError("gone")

    monkeypatch.setattr(causes, "now_failing", away)
    assert console.after(0)
    assert console.told == []
    monkeypatch.undo()
    assert console.after(WHILE_FAILING_S)
    assert len(console.told) == 1
