"""An order has had its time: whatever is still open is cancelled."""

from uuid import UUID

from django.db import transaction

from services.orders.course import Event
from services.orders.usecases.advance import Cause, advance, lock_order


@transaction.atomic(savepoint=False)
def expire_order(order_id: UUID, cause: Cause) -> None:
    """Raises NotFound for an order that is not ours."""
    advance(lock_order(order_id), Event.DEADLINE_PASSED, cause, reason="deadline_passed")
