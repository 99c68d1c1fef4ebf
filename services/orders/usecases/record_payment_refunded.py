"""The money went back: of a cancelled order as it asked, or because staff decided so."""

from uuid import UUID

from django.db import transaction

from services.orders.course import Event, Status
from services.orders.usecases.advance import Cause, advance, lock_order


@transaction.atomic(savepoint=False)
def record_payment_refunded(order_id: UUID, reason: str, cause: Cause, *, return_goods: bool) -> None:
    """``return_goods`` counts when this event is the one that refunds a confirmed order.

    Raises NotFound for an order that is not ours.
    """
    order = lock_order(order_id)
    was_sold = order.status == Status.CONFIRMED
    advance(order, Event.PAYMENT_REFUNDED, cause, reason=reason)
    if return_goods and was_sold:
        advance(order, Event.GOODS_CAME_BACK, cause)
