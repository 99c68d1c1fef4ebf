"""The bus as a state machine of Hypothesis, with a model that only knows the committed messages."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar
from uuid import UUID

import pytest
from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)
from testproject.models import Note

from atoll.bus import Message, Retry, on, publish
from atoll.bus.delivery import executor
from atoll.bus.delivery import store as deliveries
from atoll.bus.models import Delivery, Inbox, Outbox
from atoll.bus.operations import recovery
from atoll.bus.outbox import relay
from atoll.bus.outbox import store as outbox
from atoll.testing.harness import Bus

SERVICE = "library-service"
RETRY = Retry(immediate=1, delayed_s=(5,))
HANDLERS = ("first", "second")
KEYS = st.sampled_from(["", "a", "b"])


@dataclass
class Opened:
    type: ClassVar[str] = "account.opened"
    number: int


class Refused(Exception):
    """The handler fails on demand."""


def something_to_relay(_: "BusMachine") -> bool:
    return Outbox.objects.filter(status="pending").exists()


def something_to_receive(machine: "BusMachine") -> bool:
    return bool(machine.bus.broker.queues[f"evt.{SERVICE}"].waiting)


def something_to_deliver(_: "BusMachine") -> bool:
    return Delivery.objects.filter(status__in=["pending", "running"]).exists()


class BusMachine(RuleBasedStateMachine):
    """The rules are the steps and the crashes of processes. ``committed`` and ``failing`` are the model."""

    numbers = Bundle("numbers")

    def __init__(self) -> None:
        super().__init__()
        # Each example begins with empty tables and ends by rolling everything back.
        self._example = transaction.atomic()
        self._example.__enter__()
        self.bus = Bus()
        self.bus.repeats = False
        # A second copy would hide the loss of the first.
        self.bus.broker.copies = 1
        self.bus.clock.set(datetime(2030, 1, 1, tzinfo=UTC))
        self.publisher = self.bus.broker.publisher(SERVICE)
        self.committed: dict[int, str] = {}
        self.rolled_back: set[int] = set()
        self.failing: set[int] = set()
        self.runs: Counter[tuple[str, int]] = Counter()
        self._next = 0
        self._register()

    def _register(self) -> None:
        def run(name: str, number: int) -> None:
            self.runs[name, number] += 1
            Note.objects.create(text=f"{name} {number}")
            if name == "second" and number in self.failing:
                raise Refused

        @on("account.opened", retry=RETRY)
        def first(event: Opened, message: Message) -> None:
            run("first", event.number)

        @on("account.opened", retry=RETRY)
        def second(event: Opened, message: Message) -> None:
            run("second", event.number)

        self.bus.broker  # noqa: B018  declares the queues for what was just registered

    @initialize(target=numbers, keys=st.lists(KEYS, min_size=2, max_size=5))
    def commit_some(self, keys: list[str]) -> MultipleResults[int]:
        return multiple(*(self.commit(key) for key in keys))

    @rule(target=numbers, key=KEYS)
    def commit(self, key: str) -> int:
        self._next += 1
        with transaction.atomic():
            publish(Opened(self._next), key=key or None)
        self.committed[self._next] = key
        return self._next

    @rule(key=st.sampled_from(["", "a"]))
    def roll_back(self, key: str) -> None:
        self._next += 1
        with pytest.raises(Refused), transaction.atomic():
            publish(Opened(self._next), key=key or None)
            raise Refused
        self.rolled_back.add(self._next)

    @precondition(something_to_relay)
    @rule()
    def relay_step(self) -> None:
        relay.step(self.publisher)

    @precondition(something_to_relay)
    @rule(limit=st.integers(1, 3), sent=st.integers(0, 3))
    def relay_dies_before_it_marks(self, limit: int, sent: int) -> None:
        """The broker has some of the messages, and the relay marked none."""
        self.publisher.publish(outbox.due(limit)[:sent])

    @precondition(something_to_receive)
    @rule(limit=st.integers(1, 5), is_fast=st.booleans())
    def ingest(self, limit: int, is_fast: bool) -> None:
        self.bus.is_fast = is_fast
        consumer = self.bus.broker.consumer(SERVICE)
        self.bus.receive(consumer.take(limit))
        consumer.acknowledge()

    @precondition(something_to_receive)
    @rule(limit=st.integers(1, 5), stores=st.booleans(), is_fast=st.booleans())
    def ingest_dies(self, limit: int, stores: bool, is_fast: bool) -> None:
        self.bus.is_fast = is_fast
        consumer = self.bus.broker.consumer(SERVICE)
        arrivals = consumer.take(limit)
        if stores:
            self.bus.receive(arrivals)
        consumer.close()

    @precondition(something_to_deliver)
    @rule()
    def work_off_a_backlog(self) -> None:
        self.bus._fast_path.work_off()

    @precondition(something_to_receive)
    @rule(place=st.integers(0, 10))
    def duplicate(self, place: int) -> None:
        waiting = self.bus.broker.queues[f"evt.{SERVICE}"].waiting
        waiting.append(waiting[place % len(waiting)])

    @precondition(something_to_deliver)
    @rule(place=st.integers(0, 10))
    def deliver(self, place: int) -> None:
        self._pick(place, executor.execute)

    @precondition(something_to_deliver)
    @rule(place=st.integers(0, 10))
    def worker_dies(self, place: int) -> None:
        """The attempt is counted and leased, but does not run."""
        self._pick(place, deliveries.claim)

    @rule(number=numbers)
    def begin_to_fail(self, number: int) -> None:
        self.failing.add(number)

    @rule(number=numbers)
    def mend(self, number: int) -> None:
        self.failing.discard(number)

    @rule(by_s=st.sampled_from([1, 5, 31, 120]))
    def advance_clock(self, by_s: int) -> None:
        self.bus.clock.set(self.bus.now() + timedelta(seconds=by_s))

    @rule()
    def replay_what_is_done(self) -> None:
        """I9: the replay of a done delivery changes nothing."""
        done = list(Delivery.objects.filter(status="done").values_list("id", flat=True))
        before, runs = self._effects(), self.runs.copy()
        assert recovery.replay_deliveries(done) == 0
        for delivery_id in done:
            assert executor.execute(delivery_id) == 0
        assert (self._effects(), self.runs) == (before, runs)

    @rule()
    def replay_the_dead(self) -> None:
        dead = list(Delivery.objects.filter(status="dead").select_related("message"))
        assert recovery.replay_deliveries([row.id for row in dead]) == len(dead)
        for row in dead:
            self.runs[row.handler.rpartition(".")[2], self._number(row.message.body)] = 0

    @invariant()
    def no_effect_without_a_commit_and_none_twice(self) -> None:
        """I2, I3."""
        effects = self._effects()
        assert set(effects) <= {f"{name} {number}" for name in HANDLERS for number in self.committed}
        assert set(effects.values()) <= {1}

    @invariant()
    def attempts_stay_within_the_policy_and_outages_cost_none(self) -> None:
        """I6."""
        # A batch on the fast path that is undone costs each delivery one run that is not counted.
        assert max(self.runs.values(), default=0) <= RETRY.attempts + 1
        assert not Outbox.objects.exclude(attempts=0).exists()

    @invariant()
    def every_effect_is_marked_and_every_mark_has_its_effect(self) -> None:
        marked = {
            f"{row.handler.rpartition('.')[2]} {self._number(row.message.body)}"
            for row in Delivery.objects.filter(status="done").select_related("message")
        }
        assert set(self._effects()) == marked

    def teardown(self) -> None:
        try:
            self._everything_ends_well()
        finally:
            transaction.set_rollback(True)
            self._example.__exit__(None, None, None)

    def _everything_ends_well(self) -> None:
        """I1, I3: without further crashes every message is published, and every delivery done or dead."""
        self.bus.settle(until=timedelta(days=1))
        assert set(Outbox.objects.values_list("status", flat=True)) <= {"published"}
        assert Outbox.objects.count() == Inbox.objects.count() == len(self.committed)
        assert set(Delivery.objects.values_list("status", flat=True)) <= {"done", "dead"}
        self.failing.clear()
        self.replay_the_dead()
        self.bus.settle(until=timedelta(days=1))
        effects = {f"{name} {number}": 1 for name in HANDLERS for number in self.committed}
        assert self._effects() == effects
        self._first_copies_of_a_key_came_in_order()

    def _first_copies_of_a_key_came_in_order(self) -> None:
        for key in ("a", "b"):
            arrived = Inbox.objects.filter(key=key).order_by("id").values_list("body", flat=True)
            numbers = [self._number(body) for body in arrived]
            assert numbers == [number for number, held in self.committed.items() if held == key]

    def _pick(self, place: int, do: Callable[[UUID], object]) -> None:
        waiting = list(
            Delivery.objects.filter(status__in=["pending", "running"])
            .order_by("message_id", "id")
            .values_list("id", flat=True)
        )
        do(waiting[place % len(waiting)])

    def _effects(self) -> Counter[str]:
        return Counter(Note.objects.values_list("text", flat=True))

    def _number(self, body: str) -> int:
        return int(json.loads(body)["data"]["number"])
