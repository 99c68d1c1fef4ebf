"""Any messages in any order and any number: the order ends, and no compensation stays open."""

from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from atoll.errors import Conflict
from services.orders.models import Order
from services.orders.state_machine import FINAL, TABLE, Event, Status
from services.orders.tests.placing import BY_CUSTOMER, placed
from services.orders.usecases.cancel_order import cancel_order

pytestmark = pytest.mark.django_db

MESSAGES = (
    "stock.reserved", "stock.rejected", "payment.completed", "payment.failed",
    "payment.refunded", "expire.order", "user.deleted", "cancel",
)  # fmt: skip
LEGAL_MOVES = {(status, row.to) for (status, _), row in TABLE.transitions.items() if row.to != status}


def happen(bus, what: str, order: Order) -> None:
    if what == "cancel":
        try:
            cancel_order(order.id, BY_CUSTOMER, reason="changed my mind")
        except Conflict:
            assert Order.objects.get(pk=order.pk).status in (Status.CONFIRMED, Status.REFUNDED)
    else:
        bus.deliver(what, {"orderId": str(order.id), "userId": str(order.user_id)}, times=1)


@given(story=st.lists(st.sampled_from(MESSAGES), max_size=12))
@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@pytest.mark.parametrize("is_fast", [False, True], ids=["counted", "fast"])
def test_every_story_ends_final_along_the_state_machine_with_nothing_left_to_compensate(
    atoll_bus, is_fast, story
):
    atoll_bus.is_fast = is_fast
    order = placed()

    for what in story:
        happen(atoll_bus, what, order)
    atoll_bus.run_due(now=timezone.now() + timedelta(days=1))

    order.refresh_from_db()
    assert order.status in FINAL
    history = list(order.history.all())
    assert [entry.from_status for entry in history] == ["", *(entry.to_status for entry in history[:-1])]
    moves = [(entry.from_status, entry.to_status) for entry in history[1:] if entry.moved]
    assert set(moves) <= LEGAL_MOVES
    assert history[-1].to_status == order.status

    commands = [m["command"] for m in atoll_bus.sent() if m["data"]["orderId"] == str(order.id)]
    announced = [m["eventType"] for m in atoll_bus.published() if m["data"]["orderId"] == str(order.id)]
    events = [entry.event for entry in history if entry.moved]
    sold = ["order.confirmed"] if order.status == Status.REFUNDED else []
    assert announced == ["order.created", *sold, f"order.{order.status}"]
    assert commands.count("process.payment") <= 1
    if order.status in (Status.CONFIRMED, Status.REFUNDED):
        assert commands == ["reserve.stock", "process.payment", "commit.stock"]
    else:
        assert "commit.stock" not in commands
        assert ("release.stock" in commands) or events[-1] == Event.STOCK_REJECTED
        asked = "process.payment" in commands
        assert not asked or "refund.payment" in commands or events[-1] == Event.PAYMENT_FAILED
