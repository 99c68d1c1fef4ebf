"""The money was refused: cancel the order and let the stock go."""

from uuid import UUID

from django.db import transaction

from services.orders.course import Event
from services.orders.usecases.advance import Cause, advance, lock_order


@transaction.atomic(savepoint=False)
def record_payment_failed(order_id: UUID, reason: str, cause: Cause) -> None:
    """``reason`` is payments' own, such as ``card_declined``. Raises NotFound."""
    advance(lock_order(order_id), Event.PAYMENT_FAILED, cause, reason=reason or "payment_failed")
