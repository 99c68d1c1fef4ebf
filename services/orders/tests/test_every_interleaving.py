"""No answer needs a token for its step. The test explores every interleaving.

The tables run against the rules of both neighbours. A message that was sent once may
arrive at any later time and any number of times, so what is explored holds every order,
delay, loss for a while and duplicate; people and clocks act whenever they may.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import pytest

from atoll.testing.exploring import CounterExample, Exploration
from services.orders import state_machine
from services.orders.compensation import Compensation, CompensationState
from services.orders.state_machine import OPEN, PLACED, TABLE, Event, State, Status, next_step
from services.orders.tests.neighbour_rules import Money, Stock, money_after, stock_after
from services.orders.tests.saga import sent

AT_ANY_TIME = (
    Event.CANCEL_REQUESTED,
    Event.USER_DELETED,
    Event.DEADLINE_PASSED,
    Event.RELEASE_OVERDUE,
    Event.REFUND_OVERDUE,
    Event.RETURN_OVERDUE,
)
REFUND_BY_STAFF = "refund.payment, which staff asked of payments"
BY_STAFF = {
    Compensation.RELEASE: (Event.RELEASE_ASKED_AGAIN,),
    Compensation.REFUND: (Event.REFUND_ASKED_AGAIN,),
    Compensation.RETURN: (Event.RETURN_ASKED_AGAIN,),
}


class World(NamedTuple):
    """The order, its neighbours, and every command and event that was ever sent about it."""

    order: State
    stock: Stock
    money: Money
    messages: frozenset[str]

    def heard(self, event: Event) -> "World":
        step = next_step(self.order, event)
        return self._replace(order=step.state, messages=self.messages | set(sent(step)))


BEGIN = World(PLACED.state, Stock(), Money(), frozenset({"reserve.stock"}))


def successors(world: World) -> Iterator[tuple[str, World]]:
    for message in sorted(world.messages):
        if message in ("reserve.stock", "release.stock", "commit.stock", "return.stock"):
            for stock, answer in stock_after(world.stock, message):
                said = world.messages | ({answer} if answer else set())
                yield f"products: {message} -> {answer}", world._replace(stock=stock, messages=said)
        elif message in ("process.payment", "refund.payment", REFUND_BY_STAFF):
            command = message.partition(",")[0]
            for money, answer in money_after(world.money, command):
                said = world.messages | ({answer} if answer else set())
                yield f"payments: {message} -> {answer}", world._replace(money=money, messages=said)
        elif not message.startswith("order."):
            yield message, world.heard(Event(message))
    for event in AT_ANY_TIME:
        yield event.value, world.heard(event)
    if world.money.status == "completed" and not world.money.refund_asked:
        asked = world.money._replace(refund_asked=True)
        yield "staff refund", world._replace(money=asked, messages=world.messages | {REFUND_BY_STAFF})
    if world.order.status == Status.REFUNDED and world.order.goods is None:
        yield Event.GOODS_CAME_BACK.value, world.heard(Event.GOODS_CAME_BACK)
    for compensation, events in BY_STAFF.items():
        if world.order.of(compensation) is CompensationState.FAILED:
            for event in events:
                yield event.value, world.heard(event)


@pytest.fixture(scope="module")
def worlds() -> Exploration[World]:
    found = Exploration(BEGIN, successors)
    assert {world.order.status for world in found} == set(Status)
    return found


def no_money_where_it_is_believed_back(world: World) -> bool:
    return not (world.order.refund is CompensationState.DONE and world.money.taken)


def test_money_that_is_believed_to_be_back_is_back(worlds):
    worlds.always("money that is believed back is back", no_money_where_it_is_believed_back)


def test_stock_that_is_believed_to_be_released_is_released(worlds):
    worlds.always(
        "stock that is believed released is released",
        lambda w: not (w.order.release is CompensationState.DONE and w.stock.is_kept),
    )


def test_a_confirmed_order_is_paid_and_its_stock_is_there(worlds):
    def is_sold(world: World) -> bool:
        is_paid = world.money.taken and world.money.status == "completed"
        about_to_hear = world.money.status == "refunded" and "payment.refunded" in world.messages
        return (is_paid or about_to_hear) and world.stock.is_kept

    worlds.always("a confirmed order is sold", lambda w: w.order.status != Status.CONFIRMED or is_sold(w))


def test_a_refunded_order_holds_no_money_and_its_stock_is_sold_until_it_came_back(worlds):
    refunded = [world for world in worlds if world.order.status == Status.REFUNDED]
    assert {world.order.goods for world in refunded} == {None, *CompensationState} - {
        CompensationState.SETTLED
    }
    assert [world for world in refunded if world.money.taken] == []
    for world in refunded:
        if world.order.goods is None:
            assert world.stock.is_kept
        if world.order.goods is CompensationState.DONE:
            assert world.stock.state == "returned"


def test_nothing_is_undone_of_a_confirmed_order_and_nothing_sold_of_a_cancelled_one(worlds):
    for world in worlds:
        if world.order.status in (Status.CONFIRMED, Status.REFUNDED):
            assert not {"release.stock", "refund.payment"} & world.messages
        if world.order.status != Status.REFUNDED:
            assert "return.stock" not in world.messages
        if world.order.status == Status.CANCELLED:
            assert "commit.stock" not in world.messages


def test_a_cancelled_order_that_keeps_money_or_stock_knows_it_or_is_about_to_hear_of_it(worlds):
    """Either it waits with a deadline, or a person was called, or the answer is still on its way."""
    for world in worlds:
        if world.order.status != Status.CANCELLED:
            continue
        if world.stock.is_kept and world.order.release is None:
            assert "stock.reserved" in world.messages
        if world.money.taken:
            assert world.order.refund in (CompensationState.ASKED, CompensationState.FAILED) or (
                world.order.refund is None and "payment.completed" in world.messages
            )


def test_from_everywhere_the_clock_alone_leads_to_an_end_or_to_a_person(worlds):
    for world in worlds:
        for event in (
            Event.DEADLINE_PASSED,
            Event.RELEASE_OVERDUE,
            Event.REFUND_OVERDUE,
            Event.RETURN_OVERDUE,
        ):
            world = world.heard(event)
        assert world.order.status not in OPEN
        assert CompensationState.ASKED not in (world.order.release, world.order.refund, world.order.goods)


def test_these_rules_would_find_a_table_that_takes_a_failed_payment_for_a_refund(monkeypatch):
    """Why it is not one: payments says so of a late charge while an earlier one may have taken the money."""
    trusting = tuple(
        replace(one, confirmed_by=(*one.confirmed_by, Event.PAYMENT_FAILED))
        if one.command == Compensation.REFUND
        else one
        for one in TABLE.compensations
    )
    monkeypatch.setattr(state_machine, "TABLE", replace(TABLE, compensations=trusting))
    with pytest.raises(CounterExample) as found:
        Exploration(BEGIN, successors).always("money", no_money_where_it_is_believed_back)
    assert found.value.trace[-1] == Event.PAYMENT_FAILED
