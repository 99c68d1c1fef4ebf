"""The money was taken: the order is confirmed, or the money goes back."""

from uuid import UUID

from django.db import transaction

from services.orders.course import Event
from services.orders.usecases.advance import Cause, advance, lock_order


@transaction.atomic(savepoint=False)
def record_payment_completed(order_id: UUID, cause: Cause) -> None:
    """Raises NotFound for an order that is not ours."""
    advance(lock_order(order_id), Event.PAYMENT_COMPLETED, cause)
