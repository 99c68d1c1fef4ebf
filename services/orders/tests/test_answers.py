"""Answers are written by hand: they are what the serializers describe, for orders in every state."""

import pytest

from atoll.api.renderers import render
from atoll.testing.statements import own_statements
from services.orders import selectors
from services.orders.api import answers
from services.orders.api.serializers import OrderDetailSerializer, OrderSerializer
from services.orders.models import Order
from services.orders.tests.placing import BY_CUSTOMER, placed
from services.orders.usecases.cancel_order import cancel_order

pytestmark = pytest.mark.django_db


def tell(bus, event: str, order: Order, **data) -> None:
    bus.deliver(event, {"orderId": str(order.id)} | data)


def by_the_orm(order: Order) -> Order:
    found = Order.objects.get(pk=order.pk)
    found.shown_lines = list(found.lines.all())
    found.item_count = len(found.shown_lines)
    found.shown_history = list(found.history.all())
    return found


@pytest.mark.parametrize(
    "end", ["pending", "cancelled early", "confirmed", "refunded", "cancelled late", "voided"]
)
def test_an_answer_is_what_the_serializers_describe(atoll_bus, end):
    order = placed()
    if end == "cancelled early":
        tell(atoll_bus, "stock.rejected", order, items=[])
    elif end != "pending":
        tell(atoll_bus, "stock.reserved", order)
    if end in ("confirmed", "refunded"):
        tell(atoll_bus, "payment.completed", order)
    if end == "refunded":
        tell(atoll_bus, "payment.refunded", order, reason="broken")
    if end in ("cancelled late", "voided"):
        cancel_order(order.id, BY_CUSTOMER, reason="changed my mind")
    if end == "voided":
        tell(atoll_bus, "payment.voided", order)

    read, expected = selectors.find_order(order.pk, owner=None), by_the_orm(order)

    assert render(answers.detail(read)) == render(OrderDetailSerializer(expected).data)
    assert render(answers.shown(read)) == render(OrderSerializer(expected).data)


def test_an_order_without_shown_lines_has_no_items():
    order = by_the_orm(placed())
    order.shown_lines = None

    assert render(answers.shown(order)) == render(OrderSerializer(order).data)


def test_a_read_is_one_statement(atoll_as_user):
    order = placed()
    client = atoll_as_user(order.user_id)
    client.get(f"/orders/{order.id}")

    with own_statements() as statements:
        assert client.get(f"/orders/{order.id}").status_code == 200

    assert len(statements) == 1
