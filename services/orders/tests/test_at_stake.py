"""The orders that messages concern, for the console: their number, their totals, their deadlines."""

from decimal import Decimal

import pytest

from atoll import context
from atoll.bus.models import Delivery
from atoll.bus.operations import at_stake
from atoll.bus.operations.at_stake import Amount, Question, Things
from atoll.ids import uuid7
from services.orders.models import Order, OrderLine
from services.orders.tests.placing import placed

pytestmark = pytest.mark.django_db


def test_orders_are_counted_and_summed_by_currency_and_their_deadlines_are_named(atoll_bus):
    with context.work(correlation_id="checkout-1"):
        orders = [placed(), placed()]
    Order.objects.filter(pk=orders[1].pk).update(currency="USD")
    keys = [*(str(order.pk) for order in orders), str(uuid7()), "no id"]
    [stake] = at_stake.local([Question(correlation_ids=["checkout-1"], keys=keys)])
    total = Decimal("129.30")
    assert stake.things == [
        Things(
            name="orders",
            count=2,
            amounts=[Amount(currency="EUR", amount=total), Amount(currency="USD", amount=total)],
        )
    ]
    [timer] = stake.timers
    assert (timer.name, timer.count) == ("expire.order", 2)
    assert timer.first_at == Delivery.objects.earliest("next_attempt_at").next_attempt_at


def test_orders_that_need_attention_are_in_the_metrics(client):
    assert 'needs_attention{thing="order"} 0.0' in client.get("/metrics").content.decode()


def test_keys_of_other_things_name_no_order():
    [stake] = at_stake.local([Question(correlation_ids=["checkout-9"], keys=[str(uuid7()), "x"])])
    assert (stake.things, stake.timers) == ([], [])
    assert not OrderLine.objects.exists()
