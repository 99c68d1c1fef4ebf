"""Random failure on the bus of a test."""

from datetime import timedelta

import pytest

from atoll.bus import (
    Message,
    Retry,
    on,
)
from atoll.bus.models import Outbox
from atoll.testing.bus import Bus

from .accounts import Opened, greeting_service, notes, open_account, write_once

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("seed", range(6))
def test_random_failures_change_nothing_about_the_outcome(atoll_bus: Bus, seed: int) -> None:
    greeting_service()
    failures = atoll_bus.fail_randomly(seed, rate=0.3)
    for number in range(10):
        open_account(number, key=f"account-{number % 2}")
    atoll_bus.settle()
    assert sorted(notes()) == sorted(f"{what} {n}" for what in ("opened", "greeted") for n in range(10))
    assert len(atoll_bus.published("account.greeted")) == 10
    assert atoll_bus.dead() == []
    assert set(Outbox.objects.values_list("status", flat=True)) == {"published"}
    assert failures.injected.total() > 10


def test_a_seed_gives_the_same_failures_again(atoll_bus: Bus, capsys: pytest.CaptureFixture[str]) -> None:
    greeting_service()
    injected = []
    for number in range(2):
        failures = atoll_bus.fail_randomly(seed=7)
        open_account(number)
        atoll_bus.settle()
        injected.append(dict(failures.injected))
    assert injected[0] == injected[1]
    assert "ATOLL_TEST_SEED=7" in capsys.readouterr().out


def test_random_failure_finds_an_effect_outside_the_transaction(atoll_bus: Bus) -> None:
    sent: list[str] = []

    @on("account.opened")
    def mail(event: Opened, message: Message) -> None:
        sent.append(message.id)

    atoll_bus.repeats = False
    atoll_bus.fail_randomly(seed=3, rate=0.5)
    for number in range(10):
        open_account(number)
    atoll_bus.settle()
    assert len(atoll_bus.handled()) == 10
    assert len(sent) > 10


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_ordered_handlers_keep_their_order_also_when_things_fail(atoll_bus: Bus, seed: int | None) -> None:
    handled: list[int] = []

    @on("account.opened", ordered=True, retry=Retry(immediate=1, delayed_s=(3600,)))
    def note(event: Opened, message: Message) -> None:
        if write_once(f"opened {event.number}"):
            handled.append(event.number)
        if event.number == 3 and message.attempt < 3:
            raise ValueError("later")

    if seed is not None:
        atoll_bus.fail_randomly(seed)
    for number in range(6):
        open_account(number, key="a")
    atoll_bus.settle()
    assert notes() == ["opened 0", "opened 1", "opened 2"]
    atoll_bus.advance(timedelta(hours=2))
    assert notes() == [f"opened {number}" for number in range(6)]
    assert list(dict.fromkeys(handled)) == list(range(6))
