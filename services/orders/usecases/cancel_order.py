"""Cancel an order because its customer or staff asked for it."""

from uuid import UUID

from django.db import transaction

from atoll.errors import Conflict
from services.orders.course import Event, Status
from services.orders.models import Order
from services.orders.usecases.advance import Cause, advance, lock_order


@transaction.atomic
def cancel_order(order_id: UUID, cause: Cause, *, reason: str) -> Order:
    """Cancel an open order; one that is cancelled already stays as it is.

    Raises NotFound, and Conflict (``order_already_confirmed``, ``order_already_refunded``) when
    it is too late.
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
        advance(order, Event.CANCEL_REQUESTED, cause, reason=reason)
    return order
