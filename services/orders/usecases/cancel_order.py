"""The customer or staff cancel an order."""

from uuid import UUID

from django.db import transaction

from atoll.errors import Conflict
from services.orders.models import Order
from services.orders.state_machine import Event, Status
from services.orders.usecases.advance import Origin, advance, lock_order


@transaction.atomic
def cancel_order(order_id: UUID, origin: Origin, *, reason: str) -> Order:
    """Cancel an open order. A cancelled order does not change.

    Raises NotFound, and Conflict for a confirmed or refunded order (``order_already_confirmed``,
    ``order_already_refunded``).
    """
    order = lock_order(order_id)
    if order.status == Status.REFUNDED:
        raise Conflict(
            "The money of this order went back already; there is nothing left to cancel.",
            code="order_already_refunded",
            title="Order already refunded",
        )
    if order.status == Status.CONFIRMED:
        raise Conflict(
            "This order is confirmed and paid; it can no longer be cancelled.",
            code="order_already_confirmed",
            title="Order already confirmed",
        )
    if order.status != Status.CANCELLED:
        advance(order, Event.CANCEL_REQUESTED, origin, reason=reason)
    return order
