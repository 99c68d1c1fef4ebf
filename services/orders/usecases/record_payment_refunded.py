"""Payments refunded the payment of an order: for a compensation, or because staff decided it."""

from uuid import UUID

from django.db import transaction

from services.orders.state_machine import Event, Status
from services.orders.usecases.advance import Origin, advance, lock_order


@transaction.atomic(savepoint=False)
def record_payment_refunded(order_id: UUID, reason: str, origin: Origin, *, return_goods: bool) -> None:
    """``return_goods`` starts the return of the goods if this event refunds a confirmed order.

    Raises NotFound (``order_not_found``).
    """
    order = lock_order(order_id)
    was_sold = order.status == Status.CONFIRMED
    advance(order, Event.PAYMENT_REFUNDED, origin, reason=reason)
    if return_goods and was_sold:
        advance(order, Event.GOODS_CAME_BACK, origin)
