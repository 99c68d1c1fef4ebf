"""Causes of failures: their counts and times, and the things that depend on their messages."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from django.db import connection
from django.utils import timezone

from atoll import context, wire
from atoll.bus import Message, Retry, handles, on, schedule
from atoll.bus.broker.messages import Arrival
from atoll.bus.delivery import executor
from atoll.bus.models import Delivery, Inbox
from atoll.bus.operations import at_stake, causes
from atoll.bus.operations.at_stake import Amount, Question, Stake, Things
from atoll.ids import uuid7
from atoll.testing.bus import Bus

pytestmark = pytest.mark.usefixtures("handlers")

POLICY = Retry(immediate=0, delayed_s=(5, 30))


@dataclass
class Remind:
    command: ClassVar[str] = "remind"
    text: str


def carry(bus: Bus, *, ordered: bool = False) -> None:
    """A handler that misses the field which its message names."""

    @on("note.asked", retry=POLICY, ordered=ordered)
    def fail(event: dict[str, Any], message: Message) -> None:
        raise KeyError(event["missing"])


def keyed(bus: Bus, key: str, correlation_id: str = "checkout-1") -> None:
    """One message of this key, as its sender orders them."""
    body = wire.dumps(
        {
            "id": str(uuid7()),
            "eventType": "note.asked",
            "data": {"missing": "carrier"},
            "serviceId": "test-service",
            "correlationId": correlation_id,
            "version": 1,
        }
    )
    [stored] = bus.receive([Arrival("test", "note.asked", body, {}, {"x-atoll-key": key})])
    executor.execute(stored)


@pytest.fixture
def no_things() -> Iterator[None]:
    held = dict(at_stake._things)
    at_stake._things.clear()
    yield
    at_stake._things.clear()
    at_stake._things.update(held)


def test_two_causes_of_one_handler_have_a_row_each_with_their_counts(atoll_bus: Bus) -> None:
    carry(atoll_bus)
    for missing in ("carrier", "carrier", "price"):
        atoll_bus.deliver("note.asked", {"missing": missing}, times=1)
    found = causes.now_failing()
    counts = {one.group.error_group.split(" in ")[0]: (one.failing, one.dead) for one in found.causes}
    assert counts == {"KeyError: 'carrier'": (2, 0), "KeyError: 'price'": (1, 0)}
    assert not found.is_cut


def test_failing_and_dead_messages_of_one_cause_are_one_row(atoll_bus: Bus) -> None:
    carry(atoll_bus)
    atoll_bus.deliver("note.asked", {"missing": "carrier"}, times=1)
    for seconds in (6, 60):
        atoll_bus.run_due(timezone.now() + timedelta(seconds=seconds))
    atoll_bus.deliver("note.asked", {"missing": "carrier"}, times=1)
    [found] = causes.now_failing().causes
    assert (found.failing, found.dead) == (1, 1)
    newest = Delivery.objects.order_by("pk").last()
    assert newest is not None
    assert found.sample == newest.pk
    assert found.next_at == newest.next_attempt_at
    assert found.first_at == Delivery.objects.earliest("created_at").first_failed_at


def test_the_time_of_death_is_that_of_the_last_attempt(atoll_bus: Bus) -> None:
    carry(atoll_bus)
    [first] = atoll_bus.deliver("note.asked", {"missing": "carrier"}, times=1)
    [found] = causes.now_failing().causes
    assert found.dead_at == first.next_attempt_at + timedelta(seconds=30)
    atoll_bus.run_due(timezone.now() + timedelta(seconds=6))
    first.refresh_from_db()
    [later] = causes.now_failing().causes
    assert later.dead_at == first.next_attempt_at
    Delivery.objects.update(handler="services.gone.on_it")
    assert causes.now_failing().causes[0].dead_at is None


def test_immediate_attempts_take_no_time_and_an_age_ends_all() -> None:
    at = timezone.now()
    assert Retry().dead_at(1, at, at) == at + timedelta(seconds=335)
    assert Retry(max_age_s=60).dead_at(1, at, at) == at + timedelta(seconds=35)
    assert Retry(immediate=0, delayed_s=()).dead_at(0, at, at) == at


def test_deliveries_behind_in_a_lane_are_counted(atoll_bus: Bus) -> None:
    carry(atoll_bus, ordered=True)
    for key in "aaaab":
        keyed(atoll_bus, key)
    [found] = causes.now_failing().causes
    assert (found.failing, found.behind) == (2, 3)


def test_nothing_fails_in_a_ledger_of_good_deliveries(atoll_bus: Bus) -> None:
    @on("note.asked")
    def work(event: dict[str, Any], message: Message) -> None:
        pass

    atoll_bus.deliver("note.asked", {}, times=1)
    assert causes.now_failing().causes == []


def test_at_most_so_many_causes_are_told(atoll_bus: Bus) -> None:
    carry(atoll_bus)
    for letter in "abcd":
        atoll_bus.deliver("note.asked", {"missing": letter}, times=1)
    found = causes.now_failing(shown=3)
    assert (len(found.causes), found.is_cut) == (3, True)


def test_the_ledger_is_read_by_its_indexes(atoll_bus: Bus) -> None:
    carry(atoll_bus)
    atoll_bus.deliver("note.asked", {"missing": "a"}, times=1)
    asked = {"counted": 10, "shown": 10, "followed": 10, "lanes": 10}
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {causes.CAUSES}", asked)
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "delivery_failing" in plan
    assert "delivery_dead" in plan
    assert "Seq Scan on atoll_bus" not in plan


@pytest.mark.usefixtures("no_things")
def test_timers_of_the_same_work_and_the_things_of_the_keys_are_at_stake(atoll_bus: Bus) -> None:
    @handles("remind")
    def remind(command: Remind, message: Message) -> None:
        pass

    for minutes in (15, 5):
        with context.work(correlation_id="checkout-1"):
            schedule(Remind("x"), after=timedelta(minutes=minutes), token=f"t-{minutes}")
    with context.work(correlation_id="checkout-2"):
        schedule(Remind("x"), after=timedelta(minutes=1), token="other")
    asked: list[list[str]] = []

    def find(keys: Any) -> tuple[int, dict[str, Decimal]]:
        asked.append(list(keys))
        return len(keys), {"EUR": Decimal("19.90"), "BHD": Decimal("1.005")}

    at_stake.register("baskets", find)
    [stake, nothing] = at_stake.local(
        [
            Question(correlation_ids=["checkout-1"], keys=["k-1", "k-2"]),
            Question(correlation_ids=[], keys=[]),
        ]
    )
    [timer] = stake.timers
    assert (timer.name, timer.count) == ("remind", 2)
    assert timer.first_at == Delivery.objects.get(token="t-5").next_attempt_at
    amounts = [
        Amount(currency="BHD", amount=Decimal("1.005")),
        Amount(currency="EUR", amount=Decimal("19.90")),
    ]
    assert stake.things == [Things(name="baskets", count=2, amounts=amounts)]
    assert nothing == Stake()
    assert asked == [["k-1", "k-2"]]


def test_a_cause_has_the_correlation_ids_and_keys_of_its_messages(atoll_bus: Bus) -> None:
    carry(atoll_bus)
    for number in range(3):
        keyed(atoll_bus, f"k-{number}", f"checkout-{number % 2}")
    [found] = causes.now_failing().causes
    assert sorted(found.keys) == ["k-0", "k-1", "k-2"]
    assert sorted(found.correlation_ids) == ["checkout-0", "checkout-1"]
    assert Inbox.objects.count() == 3
