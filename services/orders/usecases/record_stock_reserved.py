"""Products holds the stock of an order: ask for the payment."""

from uuid import UUID

from django.db import transaction

from services.orders.course import Event
from services.orders.usecases.advance import Cause, advance, lock_order


@transaction.atomic(savepoint=False)
def record_stock_reserved(order_id: UUID, cause: Cause) -> None:
    """Raises NotFound for an order that is not ours."""
    advance(lock_order(order_id), Event.STOCK_RESERVED, cause)
