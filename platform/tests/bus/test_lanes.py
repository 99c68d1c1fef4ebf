"""Ordered handlers: the messages of one key run one at a time, in their producer's order."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils import timezone
from testproject.models import Note

from atoll.bus import Dead, Ignore, Message, Retry, on
from atoll.bus.delivery import executor
from atoll.bus.delivery import store as deliveries
from atoll.bus.delivery.lanes import LaneWaker
from atoll.bus.models import Delivery
from atoll.bus.operations import recovery
from atoll.testing.bus import Bus

from .arrivals import store, store_one

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handlers")]

NOW_OR_NEVER = Retry(immediate=0, delayed_s=())


@dataclass
class Step:
    number: int


def notes() -> list[str]:
    return list(Note.objects.order_by("pk").values_list("text", flat=True))


def statuses() -> list[str]:
    return list(Delivery.objects.order_by("lane", "position").values_list("status", flat=True))


def listen(
    failing: Callable[[int], Exception | None] = lambda number: None, retry: Retry = NOW_OR_NEVER
) -> None:
    @on("step.taken", ordered=True, retry=retry)
    def write(event: Step, message: Message) -> None:
        error = failing(event.number)
        if error:
            raise error
        Note.objects.create(text=str(event.number))


def arrive(number: int, key: str | None = "a", sequence: int | None = None, sender: str = "s") -> UUID:
    position = number if sequence is None and key else sequence
    return store_one("step.taken", {"number": number}, key=key, sequence=position, sender=sender)


def test_a_later_message_of_a_key_waits_for_the_earlier_one_which_goes_on_with_it() -> None:
    listen()
    first, second, third = arrive(1), arrive(2), arrive(5)
    assert executor.execute(second) == 0
    assert executor.execute(third) == 0
    assert executor.execute(first) == 3
    assert notes() == ["1", "2", "5"]


def test_other_keys_producers_and_messages_without_a_key_do_not_wait() -> None:
    listen()
    arrive(1)
    waiting = arrive(2)
    others = [arrive(3, key="b"), arrive(4, sender="t"), arrive(5, key=None)]
    assert [executor.execute(each) for each in (waiting, *others)] == [0, 1, 1, 1]
    assert notes() == ["3", "4", "5"]


def test_a_handler_that_is_not_ordered_takes_the_same_messages_in_any_order() -> None:
    listen()

    @on("step.taken")
    def count(event: Step, message: Message) -> None:
        Note.objects.create(text=f"seen {event.number}")

    store("step.taken", {"number": 1}, key="a", sequence=1, sender="s")
    store("step.taken", {"number": 2}, key="a", sequence=2, sender="s")
    rows = Delivery.objects.filter(handler__endswith="count").order_by("-message_id")
    assert [executor.execute(row.id) for row in rows] == [1, 1]
    assert notes() == ["seen 2", "seen 1"]
    assert set(rows.values_list("lane", "position")) == {("", None)}


def test_without_sequence_numbers_the_order_of_arrival_counts() -> None:
    listen()
    ids = [store_one("step.taken", {"number": number}, key="a", sender="s") for number in (7, 3, 9)]
    assert [executor.execute(each) for each in reversed(ids)] == [0, 0, 3]
    assert notes() == ["7", "3", "9"]


def test_a_key_of_any_length_makes_a_lane() -> None:
    listen()
    ids = [arrive(number, key="ключ" * 50_000) for number in (1, 2)]
    assert [executor.execute(each) for each in reversed(ids)] == [0, 2]
    assert len(set(Delivery.objects.values_list("lane", flat=True))) == 1


def test_one_that_waits_for_its_retry_keeps_those_behind_it_waiting(atoll_bus: Bus) -> None:
    failures = [ValueError("not yet")]
    listen(
        lambda number: failures.pop() if number == 1 and failures else None,
        Retry(delayed_s=(60,), immediate=0),
    )
    first, second = arrive(1), arrive(2)
    assert (executor.execute(first), executor.execute(second)) == (1, 0)
    assert (notes(), statuses()) == ([], ["pending", "pending"])
    assert atoll_bus.run_due(timezone.now() + timedelta(seconds=61)) == 2
    assert notes() == ["1", "2"]


@pytest.mark.parametrize("freed_by", ["replay", "discard"])
def test_a_dead_one_parks_its_lane_until_it_is_replayed_or_discarded(atoll_bus: Bus, freed_by: str) -> None:
    failures = [ValueError("broken")]
    listen(lambda number: failures.pop() if number == 1 and failures else None)
    first, second, third = arrive(1), arrive(2), arrive(3)
    assert [executor.execute(each) for each in (first, second, third)] == [1, 0, 0]
    assert statuses() == ["dead", "pending", "pending"]
    later = timezone.now() + timedelta(minutes=5)
    assert deliveries.sweep(100, later) == []
    assert atoll_bus.run_due(later) == 0
    if freed_by == "replay":
        assert recovery.replay_deliveries([first]) == 1
    else:
        assert recovery.discard_deliveries([first], "not needed") == 1
    LaneWaker().step()
    assert atoll_bus.run_due() == (3 if freed_by == "replay" else 2)
    assert notes() == (["1", "2", "3"] if freed_by == "replay" else ["2", "3"])


def test_a_dead_one_in_one_lane_leaves_every_other_lane_alone() -> None:
    listen(lambda number: Dead("no") if number == 1 else None)
    ids = [arrive(1, "a"), arrive(2, "a"), arrive(3, "b"), arrive(4, "b", 4)]
    for each in ids:
        executor.execute(each)
    assert (notes(), statuses()) == (["3", "4"], ["dead", "pending", "done", "done"])


def test_an_ignored_one_frees_its_lane() -> None:
    listen(lambda number: Ignore("seen") if number == 1 else None)
    first, _ = arrive(1), arrive(2)
    assert executor.execute(first) == 2
    assert statuses() == ["ignored", "done"]


def test_a_message_that_comes_after_a_later_one_was_handled_is_not_run_but_shown_as_dead(
    atoll_bus: Bus,
) -> None:
    listen()
    executor.execute(arrive(2))
    late = arrive(1)
    assert executor.execute(late) == 1
    row = Delivery.objects.get(id=late)
    assert (row.status, row.error) == (
        "dead",
        "It arrived after a later message of its key had been handled. A replay runs it now.",
    )
    following = arrive(3)
    assert executor.execute(following) == 0
    recovery.replay_deliveries([late])
    assert atoll_bus.run_due() == 2
    assert notes() == ["2", "1", "3"]


def test_a_late_message_whose_worker_was_killed_before_it_said_so_is_still_late() -> None:
    listen()
    executor.execute(arrive(2))
    late = arrive(1)
    assert deliveries.claim(late)
    Delivery.objects.filter(id=late).update(next_attempt_at=timezone.now())
    assert executor.execute(late) == 1
    assert (notes(), Delivery.objects.get(id=late).status) == (["2"], "dead")


def test_the_time_spent_waiting_for_a_lane_does_not_age_a_message() -> None:
    listen(lambda number: ValueError("again") if number == 2 else None, Retry(immediate=1, delayed_s=()))
    first, second = arrive(1), arrive(2)
    Delivery.objects.update(created_at=timezone.now() - timedelta(days=3))
    assert executor.execute(first) == 3
    assert Delivery.objects.get(id=second).attempts == 2


def test_a_lane_runs_in_turns_and_hands_the_rest_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "LANE_TURN", 2)
    listen()
    ids = [arrive(number) for number in range(1, 6)]
    hinted: list[UUID] = []
    assert executor.execute(ids[0], hint=hinted.extend) == 2
    assert hinted == [ids[2]]
    assert executor.execute(ids[2], hint=hinted.extend) == 2
    assert executor.execute(hinted[-1], hint=hinted.extend) == 1
    assert (len(notes()), hinted) == (5, [ids[2], ids[4]])


def test_parked_messages_get_no_hints_and_the_next_one_is_found_when_its_worker_was_killed(
    atoll_bus: Bus,
) -> None:
    listen()
    ids = [arrive(number) for number in (1, 2, 3)]
    claim = deliveries.claim(ids[0])
    assert claim
    later = timezone.now() + timedelta(seconds=15)
    assert deliveries.sweep(100, later) == []
    assert sorted(Delivery.objects.values_list("waits_for", flat=True)) == ["", "turn", "turn"]
    waking = LaneWaker()
    waking.step()
    assert deliveries.sweep(100) == []
    with transaction.atomic():
        assert deliveries.mark_done(claim, 10)
    waking.step()
    waking.step()
    assert deliveries.sweep(100) == [ids[1]]
    assert executor.execute(ids[1]) == 2


def test_a_sweep_looks_past_any_number_of_parked_messages() -> None:
    listen(lambda number: Dead("no") if number == 1 else None)
    executor.execute(arrive(1))
    for number in range(2, 9):
        arrive(number)
    free = arrive(9, key=None)
    later = timezone.now() + timedelta(seconds=15)
    assert deliveries.sweep(2, later) == [free]
    assert deliveries.sweep(2, later) == []


def test_waking_goes_round_all_lanes_a_part_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atoll.bus.delivery.lanes.HEADS_AT_ONCE", 2)
    listen()
    heads = [arrive(1, key=f"k{number}") for number in range(5)]
    Delivery.objects.update(waits_for="turn", hint_at=timezone.now() + timedelta(days=1))
    waking = LaneWaker()
    for expected in (2, 4, 5):
        waking.step()
        assert Delivery.objects.filter(waits_for="").count() == expected
    waking.step()
    assert set(deliveries.sweep(100)) == set(heads)


def test_many_workers_with_hints_in_any_order_keep_every_lane_in_order() -> None:
    running: dict[str, int] = {}
    seen: dict[str, list[int]] = {}
    overlaps: list[str] = []
    guard = threading.Lock()

    @on("step.taken", ordered=True)
    def write(event: Step, message: Message) -> None:
        key = message.data["key"]
        with guard:
            if running.get(key):
                overlaps.append(key)
            running[key] = 1
        Note.objects.create(text=f"{key} {event.number}")
        with guard:
            seen.setdefault(key, []).append(event.number)
            running[key] = 0

    dice = random.Random(4711)
    ids = [
        store_one("step.taken", {"number": number, "key": key}, key=key, sequence=number, sender="s")
        for number in range(1, 16)
        for key in "abcd"
    ]
    hints = ids * 3
    dice.shuffle(hints)
    shares = [hints[part::4] for part in range(4)]

    def work(share: list[UUID]) -> None:
        for each in share:
            executor.execute(each)
        connection.close()

    threads = [threading.Thread(target=work, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {key: list(range(1, 16)) for key in "abcd"}
    assert (overlaps, set(statuses()), Note.objects.count()) == ([], {"done"}, 60)
