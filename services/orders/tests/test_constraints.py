"""What the database itself refuses, whoever asks."""

from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from services.orders.course import COURSE, Status
from services.orders.models import Order, OrderLine, OrderTransition
from services.orders.tests.placing import LAMP, placed

pytestmark = pytest.mark.django_db

MOVES = {(status, step.to) for (status, _), step in COURSE.items() if step.to != status}
PAIRS = [(old, new) for old in Status for new in Status if old != new]
ROUTE = {
    Status.PENDING: (),
    Status.AWAITING_PAYMENT: (Status.AWAITING_PAYMENT,),
    Status.CONFIRMED: (Status.AWAITING_PAYMENT, Status.CONFIRMED),
    Status.CANCELLED: (Status.CANCELLED,),
}


def force(order: Order, status: Status) -> None:
    """Write a status past all use cases, with what belongs to it."""
    final = status in (Status.CONFIRMED, Status.CANCELLED)
    Order.objects.filter(pk=order.pk).update(
        status=status,
        finished_at=timezone.now() if final else None,
        reason="because" if status == Status.CANCELLED else "",
    )


def refused(change) -> str:
    with pytest.raises(IntegrityError) as refusal, transaction.atomic():
        change()
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    return str(refusal.value)


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_the_database_allows_exactly_the_moves_of_the_course(old: Status, new: Status):
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
def test_the_history_can_only_hold_moves_of_the_course(old: Status, new: Status):
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


def test_a_total_that_is_not_the_sum_of_the_lines_is_refused():
    order = placed()
    message = refused(lambda: Order.objects.filter(pk=order.pk).update(total=Decimal("1.00")))
    assert "has total 1.00, its lines sum up to 129.30" in message
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
        ({"reason": "no reason to have one"}, "order_reason_when_cancelled"),
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

    assert "order_reason_when_cancelled" in refused(cancel_silently)
