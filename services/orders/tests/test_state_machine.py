"""Every row of the state machine, and every pair of a state and an event that it does not name."""

from itertools import product

import pytest

from atoll.process.table_check import problems
from services.orders.compensation import COMPENSATION_TRANSITIONS, Compensation, CompensationState, Trigger
from services.orders.state_machine import (
    EVENTS,
    FINAL,
    MONEY_BACK,
    OPEN,
    PLACED,
    TABLE,
    Effect,
    Event,
    State,
    Status,
    next_step,
)
from services.orders.tests.saga import given

NO_STOCK = {"sends": ["order.cancelled"], "stops": ["order"]}
UNDO_STOCK = {
    "release": "asked",
    "sends": ["release.stock", "order.cancelled"],
    "starts": ["release"],
    "stops": ["order"],
}
UNDO_BOTH = {
    "release": "asked",
    "refund": "asked",
    "sends": ["release.stock", "refund.payment", "order.cancelled"],
    "starts": ["release", "refund"],
    "stops": ["order"],
}
TO_AN_OPEN_ORDER = [
    ("pending", "stock.reserved", "awaiting_payment", {"sends": ["process.payment"]}),
    ("pending", "stock.rejected", "cancelled", NO_STOCK),
    ("pending", "cancel.requested", "cancelled", UNDO_STOCK),
    ("pending", "deadline.passed", "cancelled", UNDO_STOCK),
    ("pending", "user.deleted", "cancelled", UNDO_STOCK),
    (
        "awaiting_payment",
        "payment.completed",
        "confirmed",
        {"sends": ["commit.stock", "order.confirmed"], "stops": ["order"]},
    ),
    ("awaiting_payment", "payment.failed", "cancelled", UNDO_STOCK),
    ("awaiting_payment", "cancel.requested", "cancelled", UNDO_BOTH),
    ("awaiting_payment", "deadline.passed", "cancelled", UNDO_BOTH),
    ("awaiting_payment", "user.deleted", "cancelled", UNDO_BOTH),
    # Asked for once more, so that one rule covers the refund: payments only repeats its answer.
    ("awaiting_payment", "payment.refunded", "cancelled", UNDO_BOTH),
]
OUT_OF_A_SALE = [("confirmed", "payment.refunded", "refunded", {"sends": ["order.refunded"]})]

ASK_FOR_RELEASE = {"sends": ["release.stock"], "starts": ["release"]}
ASK_FOR_REFUND = {"sends": ["refund.payment"], "starts": ["refund"]}
ASK_FOR_RETURN = {"sends": ["return.stock"], "starts": ["goods"]}
# The state of a compensation, the event, the new state, the effects.
TO_A_RELEASE = [
    (None, "stock.reserved", "asked", ASK_FOR_RELEASE),
    ("asked", "stock.reserved", "asked", ASK_FOR_RELEASE),
    ("asked", "stock.released", "done", {"stops": ["release"]}),
    ("asked", "stock.release_failed", "failed", {"stops": ["release"]}),
    ("asked", "release.overdue", "failed", {"stops": ["release"]}),
    ("done", "stock.reserved", "asked", ASK_FOR_RELEASE),
    ("failed", "stock.reserved", "asked", ASK_FOR_RELEASE),
    ("failed", "stock.released", "done", {}),
    ("failed", "release.asked_again", "asked", ASK_FOR_RELEASE),
    ("failed", "release.settled", "settled", {}),
    ("settled", "stock.reserved", "failed", {}),
]
TO_A_REFUND = [
    (None, "payment.completed", "asked", ASK_FOR_REFUND),
    ("asked", "payment.completed", "asked", ASK_FOR_REFUND),
    ("asked", "payment.refunded", "done", {"stops": ["refund"]}),
    ("asked", "payment.voided", "done", {"stops": ["refund"]}),
    ("asked", "payment.refund_failed", "failed", {"stops": ["refund"]}),
    ("asked", "refund.overdue", "failed", {"stops": ["refund"]}),
    ("done", "payment.completed", "asked", ASK_FOR_REFUND),
    ("failed", "payment.completed", "asked", ASK_FOR_REFUND),
    ("failed", "payment.refunded", "done", {}),
    ("failed", "payment.voided", "done", {}),
    ("failed", "refund.asked_again", "asked", ASK_FOR_REFUND),
    ("failed", "refund.settled", "settled", {}),
    ("settled", "payment.completed", "failed", {}),
]
TO_A_RETURN = [
    (None, "goods.came_back", "asked", ASK_FOR_RETURN),
    ("asked", "goods.came_back", "asked", ASK_FOR_RETURN),
    ("asked", "stock.returned", "done", {"stops": ["goods"]}),
    ("asked", "stock.return_failed", "failed", {"stops": ["goods"]}),
    ("asked", "return.overdue", "failed", {"stops": ["goods"]}),
    ("done", "goods.came_back", "asked", ASK_FOR_RETURN),
    ("failed", "goods.came_back", "asked", ASK_FOR_RETURN),
    ("failed", "stock.returned", "done", {}),
    ("failed", "return.asked_again", "asked", ASK_FOR_RETURN),
    ("failed", "return.settled", "settled", {}),
    ("settled", "goods.came_back", "failed", {}),
]
NAMED = (
    {(status, event) for status, event, _, _ in TO_AN_OPEN_ORDER + OUT_OF_A_SALE}
    | {("release", before, event) for before, event, _, _ in TO_A_RELEASE}
    | {("refund", before, event) for before, event, _, _ in TO_A_REFUND}
    | {("goods", before, event) for before, event, _, _ in TO_A_RETURN}
)
FAR = (None, *CompensationState)
STATES = [
    *(State(status) for status in Status if status not in MONEY_BACK),
    *(State(Status.CANCELLED, release, refund) for release, refund in product(FAR, FAR)),
    *(State(Status.REFUNDED, goods=goods) for goods in FAR),
]


def test_an_order_begins_pending_with_its_stock_asked_for_and_its_deadline_set():
    assert PLACED.state == State(Status.PENDING)
    assert PLACED.effects == (Effect.ANNOUNCE_CREATED, Effect.RESERVE_STOCK, Effect.START_DEADLINE)


@pytest.mark.parametrize(("status", "event", "to", "out"), TO_AN_OPEN_ORDER)
def test_an_open_order_moves_as_designed(status, event, to, out):
    given(status).when(event).then(to, **out)


@pytest.mark.parametrize(("status", "event", "to", "out"), OUT_OF_A_SALE)
def test_a_sale_is_undone_as_designed(status, event, to, out):
    given(status).when(event).then(to, **out)


@pytest.mark.parametrize(("before", "event", "after", "out"), TO_A_RETURN)
def test_a_return_of_goods_moves_as_designed(before, event, after, out):
    given("refunded", goods=before).when(event).then("refunded", goods=after, **out)


@pytest.mark.parametrize("refund", FAR)
@pytest.mark.parametrize(("before", "event", "after", "out"), TO_A_RELEASE)
def test_a_release_moves_as_designed_however_far_the_refund_is(before, event, after, out, refund):
    given("cancelled", before, refund).when(event).then("cancelled", after, refund, **out)


@pytest.mark.parametrize("release", FAR)
@pytest.mark.parametrize(("before", "event", "after", "out"), TO_A_REFUND)
def test_a_refund_moves_as_designed_however_far_the_release_is(before, event, after, out, release):
    given("cancelled", release, before).when(event).then("cancelled", release, after, **out)


def is_named(state: State, event: Event) -> bool:
    return (
        (state.status, event) in NAMED
        or (state.status == Status.CANCELLED and ("release", state.release, event) in NAMED)
        or (state.status == Status.CANCELLED and ("refund", state.refund, event) in NAMED)
        or (state.status == Status.REFUNDED and ("goods", state.goods, event) in NAMED)
    )


@pytest.mark.parametrize("event", Event)
def test_whatever_the_tables_do_not_name_is_ignored(event: Event):
    """Late, repeated and out-of-order answers, late timers, and answers without a request."""
    ignored = [state for state in STATES if not is_named(state, event)]
    assert ignored, "every event is ignored in some state"
    for state in ignored:
        given(state.status, state.release, state.refund, state.goods).when(event).then_it_is_ignored()


def test_these_tests_name_every_row_of_the_tables_and_no_other():
    assert {key for key, row in TABLE.transitions.items() if key[0] != row.to} == {
        (status, event) for status, event, _, _ in TO_AN_OPEN_ORDER + OUT_OF_A_SALE
    }
    rows = {
        (kind, before, event)
        for kind, table in (
            (Compensation.RELEASE, TO_A_RELEASE),
            (Compensation.REFUND, TO_A_REFUND),
            (Compensation.RETURN, TO_A_RETURN),
        )
        for before, event, _, _ in table
    }
    needed = {
        (row.compensate[0], Trigger.NEEDED): event
        for (status, event), row in TABLE.transitions.items()
        if status in MONEY_BACK
    }
    triggers = {**needed, **EVENTS, (Compensation.REFUND, Trigger.CONFIRMED): Event.PAYMENT_REFUNDED}
    assert rows == {
        (kind, before, triggers[kind, trigger])
        for kind in Compensation
        for before, trigger in COMPENSATION_TRANSITIONS
    } | {
        (Compensation.REFUND, before, Event.PAYMENT_VOIDED)
        for before, trigger in COMPENSATION_TRANSITIONS
        if trigger is Trigger.CONFIRMED
    }
    assert set(EVENTS) == {(one.command, trigger) for one, trigger in TABLE.triggers.values()}


def test_the_table_has_none_of_the_mistakes_that_the_library_looks_for():
    assert problems(TABLE) == []


@pytest.mark.parametrize("status", sorted(FINAL))
@pytest.mark.parametrize("event", Event)
def test_nothing_but_a_refund_of_a_sale_leads_out_of_a_final_status(status: Status, event: Event):
    refunds = (status, event) == (Status.CONFIRMED, Event.PAYMENT_REFUNDED)
    for state in STATES:
        if state.status == status:
            after = next_step(state, event).state.status
            assert after == (Status.REFUNDED if refunds else status)


@pytest.mark.parametrize("status", sorted(OPEN))
def test_the_deadline_ends_every_open_status(status: Status):
    assert next_step(State(status), Event.DEADLINE_PASSED).state.status == Status.CANCELLED


@pytest.mark.parametrize("kind", Compensation)
def test_no_compensation_can_be_waited_for_without_a_deadline_that_ends_the_waiting(kind: Compensation):
    starts = {
        Compensation.RELEASE: Effect.START_RELEASE_DEADLINE,
        Compensation.REFUND: Effect.START_REFUND_DEADLINE,
        Compensation.RETURN: Effect.START_RETURN_DEADLINE,
    }
    for state, event in product(STATES, Event):
        step = next_step(state, event)
        assert (starts[kind] in step.effects) is ((kind, CompensationState.ASKED) in step.compensations)
        if state.of(kind) is CompensationState.ASKED:
            overdue = next_step(state, EVENTS[kind, Trigger.OVERDUE])
            assert overdue.state.of(kind) is CompensationState.FAILED


def test_every_cancellation_after_the_payment_was_asked_for_refunds_it_unless_it_failed():
    cancelling = {
        event: Compensation.REFUND in row.compensate
        for (status, event), row in TABLE.transitions.items()
        if status == Status.AWAITING_PAYMENT and row.to == Status.CANCELLED
    }
    assert [event for event, refunds in cancelling.items() if not refunds] == [Event.PAYMENT_FAILED]


def test_what_failed_is_only_taken_for_settled_by_a_person():
    settling = {
        (before, trigger)
        for (before, trigger), after in COMPENSATION_TRANSITIONS.items()
        if after is CompensationState.SETTLED
    }
    assert settling == {(CompensationState.FAILED, Trigger.SETTLED)}
