"""Changes that the database itself refuses."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from services.orders.compensation import COMPENSATION_TRANSITIONS, Compensation, CompensationState
from services.orders.models import Order, OrderCompensation, OrderLine, OrderTransition
from services.orders.state_machine import FINAL, MONEY_BACK, TABLE, Status
from services.orders.tests.placing import LAMP, placed

pytestmark = pytest.mark.django_db

MOVES = {(status, row.to) for (status, _), row in TABLE.transitions.items() if row.to != status}
PAIRS = [(old, new) for old in Status for new in Status if old != new]
ROUTE = {
    Status.PENDING: (),
    Status.AWAITING_PAYMENT: (Status.AWAITING_PAYMENT,),
    Status.CONFIRMED: (Status.AWAITING_PAYMENT, Status.CONFIRMED),
    Status.CANCELLED: (Status.CANCELLED,),
    Status.REFUNDED: (Status.AWAITING_PAYMENT, Status.CONFIRMED, Status.REFUNDED),
}


def force(order: Order, status: Status) -> None:
    """Write a status and the columns that depend on it, without a use case."""
    final = status in FINAL
    Order.objects.filter(pk=order.pk).update(
        status=status,
        finished_at=timezone.now() if final else None,
        reason="because" if status in MONEY_BACK else "",
    )


def refused(change) -> str:
    with pytest.raises(IntegrityError) as refusal, transaction.atomic():
        change()
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    return str(refusal.value)


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_the_database_allows_exactly_the_moves_of_the_state_machine(old: Status, new: Status):
    order = placed()
    for status in ROUTE[old]:
        force(order, status)

    if (old, new) in MOVES:
        force(order, new)
        assert Order.objects.get(pk=order.pk).status == new
    else:
        assert f"cannot go from {old} to {new}" in refused(lambda: force(order, new))
        assert Order.objects.get(pk=order.pk).status == old


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_the_history_can_only_hold_moves_of_the_state_machine(old: Status, new: Status):
    order = placed()

    def write() -> None:
        OrderTransition.objects.create(
            order=order, from_status=old, to_status=new, event="stock.reserved", actor="test"
        )

    if (old, new) in MOVES:
        write()
    else:
        assert "order_transition_is_legal" in refused(write)
        assert order.history.count() == 1


COMPENSATION_MOVES = {
    (before, after) for (before, _), after in COMPENSATION_TRANSITIONS.items() if before and before != after
}
COMPENSATION_PAIRS = [(old, new) for old in CompensationState for new in CompensationState if old != new]
UNDOING_ROUTE = {
    CompensationState.ASKED: (),
    CompensationState.DONE: (CompensationState.DONE,),
    CompensationState.FAILED: (CompensationState.FAILED,),
    CompensationState.SETTLED: (CompensationState.FAILED, CompensationState.SETTLED),
}


def compensation(order: Order, kind: str = "release.stock", **values) -> OrderCompensation:
    due_at = timezone.now() + timedelta(minutes=15)
    return OrderCompensation.objects.create(order=order, kind=kind, due_at=due_at, **values)


def force_state(row: OrderCompensation, state: CompensationState, **values) -> None:
    ended = {"ended_at": None, "ended_by": ""}
    if state != CompensationState.ASKED:
        ended = {"ended_at": timezone.now(), "ended_by": "release.overdue"}
    OrderCompensation.objects.filter(pk=row.pk).update(state=state, **ended | values)


@pytest.mark.parametrize(("old", "new"), COMPENSATION_PAIRS)
def test_the_database_lets_a_compensation_make_exactly_the_moves_of_its_state_machine(
    old: CompensationState, new: CompensationState
):
    order = placed()
    force(order, Status.CANCELLED)
    row = compensation(order)
    for state in UNDOING_ROUTE[old]:
        force_state(row, state)

    if (old, new) in COMPENSATION_MOVES:
        force_state(row, new)
        assert OrderCompensation.objects.get().state == new
    else:
        assert f"cannot go from {old} to {new}" in refused(lambda: force_state(row, new))
        assert OrderCompensation.objects.get().state == old


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("kind", Compensation)
def test_only_a_cancelled_order_is_released_and_refunded_and_only_a_refunded_one_returned(
    kind: Compensation, status: Status
):
    order = placed()
    for step in ROUTE[status]:
        force(order, step)
    if status == (Status.REFUNDED if kind is Compensation.RETURN else Status.CANCELLED):
        assert compensation(order, kind).state == "asked"
        return
    assert f"which is {status}, cannot begin as asked" in refused(lambda: compensation(order, kind))
    assert OrderCompensation.objects.count() == 0


def test_a_compensation_begins_with_being_asked_for_once_per_order():
    order = placed()
    force(order, Status.CANCELLED)
    done = {"state": "done", "ended_at": timezone.now(), "ended_by": "stock.released"}
    assert "cannot begin as done" in refused(lambda: compensation(order, **done))
    row = compensation(order)
    assert "compensation_once_per_order" in refused(lambda: compensation(order))
    assert "cannot go from asked to asked" in refused(
        lambda: force_state(row, CompensationState.ASKED, asks=0)
    )


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"state": "done"}, "compensation_ended_when_not_asked"),
        ({"ended_at": timezone.now()}, "compensation_ended_when_not_asked"),
        ({"ended_by": "stock.released"}, "compensation_ended_when_not_asked"),
        ({"kind": "refund.payment"}, "cannot go from asked to asked"),
    ],
)
def test_a_compensation_that_contradicts_itself_is_refused(values, constraint):
    order = placed()
    force(order, Status.CANCELLED)
    row = compensation(order)
    assert constraint in refused(lambda: OrderCompensation.objects.filter(pk=row.pk).update(**values))


def test_the_history_names_compensations_only_where_money_goes_back():
    order = placed()

    def write() -> None:
        OrderTransition.objects.create(
            order=order,
            from_status="pending",
            to_status="pending",
            event="stock.released",
            actor="test",
            undoing="release.stock done",
        )

    assert "order_transition_undoes_when_money_back" in refused(write)


def test_a_total_that_is_not_the_sum_of_the_lines_is_refused():
    order = placed()
    message = refused(lambda: Order.objects.filter(pk=order.pk).update(total=Decimal("1.00")))
    assert "has total 1.0000, its lines sum up to 129.3000" in message
    assert Order.objects.get(pk=order.pk).total == Decimal("129.30")


def test_an_order_without_lines_is_refused():
    order = placed()
    values = Order.objects.values().get(pk=order.pk)
    values.pop("id")
    assert "its lines sum up to" in refused(lambda: Order.objects.create(**values))
    assert Order.objects.count() == 1


def test_a_line_can_never_change():
    order = placed()
    assert "cannot change" in refused(lambda: OrderLine.objects.filter(order=order).update(quantity=5))


@pytest.mark.parametrize(
    ("quantity", "price", "constraint"),
    [
        (0, "1.00", "order_line_quantity_in_bounds"),
        (1001, "1.00", "order_line_quantity_in_bounds"),
        (1, "-0.01", "order_line_price_not_negative"),
    ],
)
def test_a_line_out_of_bounds_is_refused(quantity, price, constraint):
    order = placed()
    message = refused(
        lambda: OrderLine.objects.create(
            order=order, product_id=order.pk, name="x", quantity=quantity, unit_price=Decimal(price)
        )
    )
    assert constraint in message


def test_a_product_stands_on_an_order_once():
    order = placed()
    message = refused(
        lambda: OrderLine.objects.create(
            order=order, product_id=LAMP.id, name="again", quantity=1, unit_price=LAMP.price
        )
    )
    assert "order_line_once_per_product" in message


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"total": Decimal("-1")}, "order_total_not_negative"),
        ({"currency": "eur"}, "order_currency_is_iso"),
        ({"reason": "no reason to have one"}, "order_reason_when_money_back"),
        ({"finished_at": timezone.now()}, "order_finished_when_final"),
    ],
)
def test_an_order_that_contradicts_itself_is_refused(change, constraint):
    order = placed()
    assert constraint in refused(lambda: Order.objects.filter(pk=order.pk).update(**change))


def test_a_cancelled_order_has_a_reason():
    order = placed()

    def cancel_silently() -> None:
        Order.objects.filter(pk=order.pk).update(status="cancelled", finished_at=timezone.now())

    assert "order_reason_when_money_back" in refused(cancel_silently)
