"""What an order costs its service: round trips to the database, without those of the bus."""

from collections.abc import Callable

import pytest
from django.db import transaction

from atoll.testing.statements import own_statements
from services.orders.state_machine import Event
from services.orders.tests.placing import placed
from services.orders.usecases.advance import Origin
from services.orders.usecases.record_event import record_event

pytestmark = pytest.mark.django_db(transaction=True)

BY_SERVICE = Origin(actor="test-service", message_id="m")


def cost(call: Callable[[], object]) -> int:
    with own_statements() as statements:
        call()
    return len(statements)


def test_a_placed_order_costs_two_statements():
    """The count of open orders, then the order with its lines and its history."""
    assert cost(placed) == 2


@pytest.mark.parametrize(
    ("course", "most"),
    [
        ([Event.STOCK_RESERVED], 2),
        ([Event.STOCK_RESERVED, Event.PAYMENT_COMPLETED], 2),
        ([Event.STOCK_RESERVED, Event.PAYMENT_COMPLETED, Event.PAYMENT_COMPLETED], 2),
    ],
)
def test_a_step_costs_its_lock_and_its_change(course, most):
    order = placed()
    *before, event = course

    def step(event: Event) -> None:
        with transaction.atomic():
            record_event(order.id, event, BY_SERVICE)

    for earlier in before:
        step(earlier)
    assert cost(lambda: step(event)) == most


def test_an_order_over_http_costs_five_statements(neighbours, atoll_as_user):
    """The placed order's two; a look at its key, the claim of the key, and the answer under it."""
    client, lamp = atoll_as_user(neighbours.user()), neighbours.product()
    order = {"items": [{"productId": lamp, "quantity": 1}]}
    client.post("/orders", order)
    assert cost(lambda: client.post("/orders", order, headers={"Idempotency-Key": "k"})) == 5
