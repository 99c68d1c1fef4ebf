"""Steps of an order that write no index, and queries that find orders without their status in one."""

import pytest
from django.db import connection, transaction

from services.orders import selectors
from services.orders.models import Order
from services.orders.state_machine import Event, Status
from services.orders.tests.placing import placed
from services.orders.usecases.advance import Origin
from services.orders.usecases.record_event import record_event

pytestmark = pytest.mark.django_db(transaction=True)


def hot_updates() -> int:
    """Of the running transaction: new versions of orders that no index had to learn."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_get_xact_tuples_hot_updated('orders_order'::regclass)")
        return int(cursor.fetchone()[0])


def test_the_step_to_the_payment_writes_no_index():
    order = placed()
    with transaction.atomic():
        record_event(order.id, Event.STOCK_RESERVED, Origin(actor="test-service"))
        assert hot_updates() == 1


@pytest.mark.parametrize(
    ("status", "index"),
    [
        (Status.PENDING, "order_unfinished"),
        (Status.AWAITING_PAYMENT, "order_unfinished"),
        (Status.CANCELLED, "order_money_back"),
        (Status.REFUNDED, "order_money_back"),
    ],
)
def test_a_filter_by_a_rare_status_has_an_index(status, index):
    with transaction.atomic(), connection.cursor() as cursor:
        # A table without rows is read as a whole unless that is forbidden.
        cursor.execute("SET LOCAL enable_seqscan = off")
        plan = selectors.with_status(Order.objects.order_by(), status).explain()
    assert index in plan
