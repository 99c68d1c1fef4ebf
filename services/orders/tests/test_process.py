"""An order among neighbours that delay, repeat, reorder and fail, against the real database.

Whatever happens to it, it ends confirmed, cancelled and undone, or with a person who was
called; the money is where its state says, and nothing waits past its deadline.
"""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from atoll.bus.models import Delivery
from atoll.errors import Conflict
from services.orders.compensation import Compensation, CompensationState
from services.orders.models import Order
from services.orders.state_machine import FINAL, TABLE, Status
from services.orders.tests.neighbour_rules import Money, Stock, money_after, stock_after
from services.orders.tests.placing import BY_CUSTOMER, placed
from services.orders.usecases.advance import Origin
from services.orders.usecases.ask_again import ask_again
from services.orders.usecases.cancel_order import cancel_order
from services.orders.usecases.return_goods import return_goods
from services.orders.usecases.settle_by_hand import settle_by_hand

BY_STAFF = Origin(actor="staff:stan")
LEGAL_MOVES = {(status, row.to) for (status, _), row in TABLE.transitions.items()}
TO_PRODUCTS = {"reserve.stock", "release.stock", "commit.stock", "return.stock"}
COMPENSATIONS = ("release.stock", "refund.payment", "return.stock")
INDEX = st.integers(min_value=0, max_value=10_000)
AFTER_EVERYTHING = timedelta(days=30)


class OrderAmongNeighbours(RuleBasedStateMachine):
    bus: Any

    def __init__(self) -> None:
        super().__init__()
        # Rolled back at the end, so that every story begins with an empty database.
        self.example = transaction.atomic()
        self.example.__enter__()
        self.order = placed()
        self.stock, self.money = Stock(), Money()
        self.seen = 0
        self.commands: list[str] = []
        self.handled: list[str] = []
        self.answers: list[str] = []
        self.heard: list[str] = []
        self.broken: set[str] = set()
        self.now = timezone.now()

    def teardown(self) -> None:
        try:
            self.everything_arrives()
            self.check_the_end()
        finally:
            transaction.set_rollback(True)
            self.example.__exit__(None, None, None)

    @initialize(
        head_start=st.sampled_from([0, 2, 3, 4, 4]),
        outcome=INDEX,
        broken=st.sets(st.sampled_from(COMPENSATIONS)),
    )
    def the_order_has_come_some_way(self, head_start: int, outcome: int, broken: set[str]) -> None:
        """So that not nearly every story ends before anything was paid."""
        self.broken = broken
        self.collect()
        assert self.commands == ["reserve.stock"]
        if head_start > 1:
            self.a_command_is_carried_out(0, 0)
            self.an_answer_arrives(0)
        if head_start > 2:
            self.a_command_is_carried_out(0, outcome)
        if head_start > 3:
            self.it_is_called_off("cancel")

    def collect(self) -> None:
        """Take over the messages that the order has sent since."""
        sent = [envelope["command"] for envelope in self.bus.sent()]
        self.commands += sent[self.seen :]
        self.seen = len(sent)

    def carry_out(self, command: str, choice: int) -> None:
        """The neighbour handles a command, with one of the outcomes that it may have."""
        if command in TO_PRODUCTS:
            outcomes = stock_after(self.stock, command)
            self.stock, answer = outcomes[choice % len(outcomes)]
        else:
            possible = money_after(self.money, command)
            self.money, answer = possible[choice % len(possible)]
        if answer:
            self.answers.append(answer)
        elif command == "process.payment":
            # Payments tries again until it knows.
            self.commands.append(command)

    def hear(self, event: str) -> None:
        data = {"orderId": str(self.order.id), "userId": str(self.order.user_id), "reason": "told so"}
        (delivery,) = self.bus.deliver(event, data | {"shortages": []}, times=1)
        assert delivery.status == "done"
        self.collect()

    @precondition(lambda self: self.commands)
    @rule(which=INDEX, outcome=INDEX)
    def a_command_is_carried_out(self, which: int, outcome: int) -> None:
        command = self.commands.pop(which % len(self.commands))
        self.handled.append(command)
        self.carry_out(command, outcome)

    @precondition(lambda self: self.handled + self.heard)
    @rule(which=INDEX, outcome=INDEX)
    def a_message_arrives_again(self, which: int, outcome: int) -> None:
        message = (self.handled + self.heard)[which % len(self.handled + self.heard)]
        if message in self.heard:
            self.hear(message)
        else:
            self.carry_out(message, outcome)

    @precondition(lambda self: self.answers)
    @rule(which=INDEX)
    def an_answer_arrives(self, which: int) -> None:
        answer = self.answers.pop(which % len(self.answers))
        self.heard.append(answer)
        self.hear(answer)

    @rule(passed_s=st.sampled_from([30, 61, 600, 1000]))
    def time_passes(self, passed_s: int) -> None:
        self.now += timedelta(seconds=passed_s)
        self.bus.run_due(self.now)
        self.collect()

    @rule(how=st.sampled_from(["cancel", "user.deleted", "expire.order"]))
    def it_is_called_off(self, how: str) -> None:
        """By its customer, with its account, or by a deadline that may be late; in any status."""
        if how != "cancel":
            self.hear(how)
            return
        try:
            cancel_order(self.order.id, BY_CUSTOMER, reason="changed my mind")
        except Conflict:
            assert self.status() == Status.CONFIRMED
        self.collect()

    @precondition(lambda self: self.compensations())
    @rule(compensation=st.sampled_from(Compensation), ask=st.integers(min_value=1, max_value=3))
    def a_deadline_of_any_time_of_asking_fires(self, compensation: Compensation, ask: int) -> None:
        data = {"orderId": str(self.order.id), "compensation": compensation.value, "ask": ask}
        self.bus.deliver("expire.compensation", data, times=1)

    @precondition(lambda self: CompensationState.FAILED in self.compensations().values())
    @rule()
    def staff_ask_again(self) -> None:
        ask_again(self.order.id, BY_STAFF)
        assert CompensationState.FAILED not in self.compensations().values()
        self.collect()

    @precondition(lambda self: CompensationState.FAILED in self.compensations().values())
    @rule(compensation=st.sampled_from(Compensation))
    def staff_settle_by_hand(self, compensation: Compensation) -> None:
        """Staff do the work of a failed compensation themselves, and settle it."""
        failed = self.compensations().get(compensation) == CompensationState.FAILED
        try:
            settle_by_hand(self.order.id, compensation, BY_STAFF, reason="mended")
        except Conflict:
            assert not failed
            return
        assert failed
        if compensation is Compensation.RELEASE:
            self.stock = Stock("released")
        elif compensation is Compensation.RETURN:
            self.stock = Stock("returned")
        else:
            self.money = Money("refunded" if self.money.taken else "refused", refund_asked=True)

    @precondition(lambda self: self.money.status == "completed" and not self.money.refund_asked)
    @rule()
    def staff_refund_the_payment(self) -> None:
        """Staff refund in the admin of payments; orders receives an event."""
        self.money = self.money._replace(refund_asked=True)
        self.commands.append("refund.payment")

    @precondition(lambda self: self.status() == Status.REFUNDED and not self.compensations())
    @rule()
    def the_goods_come_back(self) -> None:
        return_goods(self.order.id, BY_STAFF)
        self.collect()

    @invariant()
    def the_history_is_a_path_to_where_the_order_stands(self) -> None:
        history = list(self.order.history.all())
        assert [entry.from_status for entry in history] == ["", *(entry.to_status for entry in history[:-1])]
        assert {(e.from_status, e.to_status) for e in history[1:] if e.moved} <= LEGAL_MOVES
        assert history[-1].to_status == self.status()

    @invariant()
    def only_a_cancelled_order_is_undone_and_only_a_confirmed_one_is_sold(self) -> None:
        sent = [envelope["command"] for envelope in self.bus.sent()]
        assert sent.count("process.payment") <= 1
        assert ("commit.stock" in sent) is (self.status() in (Status.CONFIRMED, Status.REFUNDED))
        if self.status() != Status.CANCELLED:
            assert self.compensations().keys() <= {Compensation.RETURN}
            assert not {"release.stock", "refund.payment"} & set(sent)
        if self.status() != Status.REFUNDED:
            assert "return.stock" not in sent
        for row in self.order.compensations.all():
            assert sent.count(row.kind) == row.asks

    @invariant()
    def what_is_believed_to_be_undone_is_undone(self) -> None:
        compensations = self.compensations()
        assert not (compensations.get(Compensation.REFUND) == CompensationState.DONE and self.money.taken)
        assert not (compensations.get(Compensation.RELEASE) == CompensationState.DONE and self.stock.is_kept)

    def everything_arrives(self) -> None:
        """Messages under way arrive unless their service is broken, and every deadline passes."""
        self.collect()
        while self.commands or self.answers:
            while self.commands:
                command = self.commands.pop(0)
                self.carry_out(command, 1 if command in self.broken else 0)
            while self.answers:
                self.hear(self.answers.pop(0))
        self.bus.run_due(self.now + AFTER_EVERYTHING)
        self.collect()
        if self.commands:
            self.everything_arrives()

    def check_the_end(self) -> None:
        status, compensations = self.status(), self.compensations()
        assert status in FINAL
        assert CompensationState.ASKED not in compensations.values()
        assert not Delivery.objects.filter(token__contains=str(self.order.id), status="pending").exists()
        if status == Status.CONFIRMED:
            assert self.money.taken
            assert self.stock == Stock("committed")
            return
        if status == Status.REFUNDED:
            assert not self.money.taken
            came_back = compensations.get(Compensation.RETURN) in (
                CompensationState.DONE,
                CompensationState.SETTLED,
            )
            assert self.stock == Stock("returned" if came_back else "committed")
            return
        called_for_money = compensations.get(Compensation.REFUND) == CompensationState.FAILED
        called_for_stock = compensations.get(Compensation.RELEASE) == CompensationState.FAILED
        assert called_for_money or not self.money.taken
        assert called_for_stock or not self.stock.is_kept

    def status(self) -> str:
        return Order.objects.values_list("status", flat=True).get(pk=self.order.pk)

    def compensations(self) -> dict[str, str]:
        return dict(self.order.compensations.values_list("kind", "state"))


@pytest.mark.django_db
@pytest.mark.timeout(600)
def test_every_order_ends_confirmed_or_undone_or_with_a_person_who_was_called(atoll_bus, settings):
    settings.ORDER_DEADLINE_S, settings.COMPENSATION_DEADLINE_S = 60, 900

    class Story(OrderAmongNeighbours):
        pass

    Story.bus = atoll_bus
    run_state_machine_as_test(
        Story,
        settings=hypothesis_settings(max_examples=25, stateful_step_count=12, deadline=None),
    )
