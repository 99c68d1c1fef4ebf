"""Simultaneous events about one order apply one after the other."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection, transaction
from django.utils import timezone

from atoll.bus.delivery.executor import execute
from atoll.bus.models import Delivery
from atoll.errors import Conflict
from atoll.testing.races import at_once
from atoll.testing.running import eventually
from services.orders.models import Order
from services.orders.state_machine import Event
from services.orders.tests.placing import BY_CUSTOMER, kept, placed
from services.orders.usecases.advance import Origin, lock_order
from services.orders.usecases.cancel_order import cancel_order
from services.orders.usecases.cancel_orders_of_user import cancel_orders_of_user
from services.orders.usecases.record_event import record_event

pytestmark = pytest.mark.django_db(transaction=True)

BY_SERVICE = Origin(actor="test-service", message_id="m")
ROUNDS = 8
# PostgreSQL looks for deadlocks after this long (deadlock_timeout).
DEADLOCK_DETECTED_AFTER_S = 1.0


def commands(bus, order: Order) -> list[str]:
    return [m["command"] for m in bus.sent() if m["data"]["orderId"] == str(order.id)]


def awaiting_payment() -> Order:
    order = placed()
    record_event(order.id, Event.STOCK_RESERVED, BY_SERVICE)
    return order


def test_a_cancellation_and_a_payment_at_once_leave_either_a_sale_or_a_refund(atoll_bus):
    for _ in range(ROUNDS):
        order = awaiting_payment()

        cancelled, _ = at_once(
            [
                lambda order=order: cancel_order(order.id, BY_CUSTOMER, reason="changed my mind"),
                lambda order=order: record_event(order.id, Event.PAYMENT_COMPLETED, BY_SERVICE),
            ]
        )

        order.refresh_from_db()
        asked = commands(atoll_bus, order)[2:]
        if isinstance(cancelled, Conflict):
            assert (order.status, asked) == ("confirmed", ["commit.stock"])
        else:
            assert order.status == "cancelled"
            assert asked == ["release.stock", "refund.payment", "refund.payment"]


def test_a_payment_that_completes_at_the_deadline_is_a_sale_or_is_refunded(atoll_bus):
    for _ in range(ROUNDS):
        order = awaiting_payment()

        at_once(
            [
                lambda order=order: record_event(order.id, Event.DEADLINE_PASSED, BY_SERVICE),
                lambda order=order: record_event(order.id, Event.PAYMENT_COMPLETED, BY_SERVICE),
            ]
        )

        order.refresh_from_db()
        asked = commands(atoll_bus, order)[2:]
        assert (order.status, asked) in (
            ("confirmed", ["commit.stock"]),
            ("cancelled", ["release.stock", "refund.payment", "refund.payment"]),
        )


def test_ten_answers_at_once_ask_for_one_payment(atoll_bus):
    order = placed()
    at_once([lambda: record_event(order.id, Event.STOCK_RESERVED, BY_SERVICE)] * 10)
    assert commands(atoll_bus, order) == ["reserve.stock", "process.payment"]
    assert [e.moved for e in order.history.filter(event="stock.reserved")] == [True, *[False] * 9]


def test_everything_that_can_end_an_order_at_once_ends_it_once(atoll_bus):
    for _ in range(ROUNDS):
        order = awaiting_payment()

        at_once(
            [
                lambda order=order: cancel_order(order.id, BY_CUSTOMER, reason="changed my mind"),
                lambda order=order: record_event(order.id, Event.PAYMENT_COMPLETED, BY_SERVICE),
                lambda order=order: record_event(
                    order.id, Event.PAYMENT_FAILED, BY_SERVICE, reason="card_declined"
                ),
                lambda order=order: record_event(order.id, Event.DEADLINE_PASSED, BY_SERVICE),
                lambda order=order: cancel_orders_of_user(order.user_id, BY_SERVICE),
            ]
        )

        order.refresh_from_db()
        ends = [
            m["eventType"] for m in atoll_bus.published() if m["data"]["orderId"] == str(order.id)
        ][1:]  # fmt: skip
        assert ends == [f"order.{order.status}"]
        moves = [e for e in order.history.all() if e.moved]
        assert [e.to_status for e in moves] == ["pending", "awaiting_payment", order.status]


def _somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return cursor.fetchone()[0] > 0


def test_a_deadline_that_fires_while_the_order_is_confirmed_neither_blocks_nor_undoes_it(atoll_bus):
    """The timer waits for the order's lock while the owner of the lock cancels the timer: no deadlock."""
    order = awaiting_payment()
    [timer] = Delivery.objects.filter(handler__endswith="on_deadline")
    late = timezone.now() + timedelta(minutes=2)

    with ThreadPoolExecutor(1) as worker:
        with transaction.atomic():
            lock_order(order.id)
            fired = worker.submit(lambda: (execute(timer.id, late), connection.close()))
            eventually(_somebody_waits_for_a_lock, what="the timer waits for the order")
            started = time.monotonic()
            record_event(order.id, Event.PAYMENT_COMPLETED, BY_SERVICE)
        took_s = time.monotonic() - started
        fired.result(timeout=10)

    order.refresh_from_db()
    timer.refresh_from_db()
    assert order.status == "confirmed"
    assert timer.status == "done"
    assert kept(order)[-1] == ("deadline.passed", "confirmed")
    assert took_s < DEADLOCK_DETECTED_AFTER_S


def test_the_same_request_ten_times_at_once_places_one_order(atoll_bus, neighbours, atoll_as_user):
    user_id, product = neighbours.user(), neighbours.product()
    body = {"items": [{"productId": product, "quantity": 1}]}

    def ask(client) -> int:
        return client.post("/orders", body, headers={"Idempotency-Key": "double-click"}).status_code

    statuses = at_once([partial(ask, atoll_as_user(user_id)) for _ in range(10)])

    assert set(statuses) <= {201, 409}
    assert 201 in statuses
    order = Order.objects.get()
    assert commands(atoll_bus, order) == ["reserve.stock"]
