from datetime import timedelta

import pytest
from django.utils import timezone

from services.orders.tests.placing import kept, moves, placed

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def one_minute(settings):
    settings.ORDER_DEADLINE_S = 60


def test_an_order_that_hears_nothing_is_cancelled_after_its_deadline(atoll_bus):
    order = placed()
    atoll_bus.run_due(now=timezone.now() + timedelta(seconds=59))
    order.refresh_from_db()
    assert order.status == "pending"

    atoll_bus.run_due(now=timezone.now() + timedelta(seconds=61))

    order.refresh_from_db()
    assert (order.status, order.reason) == ("cancelled", "deadline_passed")
    assert [m["command"] for m in atoll_bus.sent()] == ["reserve.stock", "release.stock"]
    assert order.deadline_at - order.created_at == timedelta(seconds=60)


def test_an_order_that_waits_for_its_payment_too_long_is_cancelled_and_refunded(atoll_bus):
    order = placed()
    atoll_bus.deliver("stock.reserved", {"orderId": str(order.id)})

    atoll_bus.run_due(now=timezone.now() + timedelta(seconds=61))

    order.refresh_from_db()
    assert order.status == "cancelled"
    commands = [m["command"] for m in atoll_bus.sent()]
    assert commands == ["reserve.stock", "process.payment", "release.stock", "refund.payment"]


def test_the_deadline_of_a_finished_order_never_comes(atoll_bus):
    order = placed()
    atoll_bus.deliver("stock.reserved", {"orderId": str(order.id)})
    atoll_bus.deliver("payment.completed", {"orderId": str(order.id)})

    atoll_bus.run_due(now=timezone.now() + timedelta(days=1))

    order.refresh_from_db()
    assert order.status == "confirmed"
    assert [event for event, _, _ in moves(order)] == ["order.placed", "stock.reserved", "payment.completed"]


def test_a_deadline_that_fires_while_the_order_finishes_is_kept_and_ignored(atoll_bus):
    order = placed()
    atoll_bus.deliver("stock.reserved", {"orderId": str(order.id)})
    atoll_bus.deliver("payment.completed", {"orderId": str(order.id)})

    atoll_bus.deliver("expire.order", {"orderId": str(order.id)}, times=1)

    order.refresh_from_db()
    assert order.status == "confirmed"
    assert kept(order)[-1] == ("deadline.passed", "confirmed")
