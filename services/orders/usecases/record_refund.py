"""The money went back: the order's history shows it, its status stays."""

from uuid import UUID

from django.db import transaction

from services.orders.course import Event
from services.orders.usecases.advance import Cause, advance, lock_order


@transaction.atomic(savepoint=False)
def record_refund(order_id: UUID, reason: str, cause: Cause) -> None:
    """Raises NotFound for an order that is not ours."""
    advance(lock_order(order_id), Event.PAYMENT_REFUNDED, cause, note=reason)
