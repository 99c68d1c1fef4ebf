"""Whoever was asked to undo something of an order has answered."""

from uuid import UUID

from django.db import transaction

from services.orders.course import Event
from services.orders.usecases.advance import Cause, advance, lock_order


@transaction.atomic(savepoint=False)
def record_undoing(order_id: UUID, event: Event, reason: str, cause: Cause) -> None:
    """``event`` is one of ``course.CUES`` that a service announces. Raises NotFound for an order not ours."""
    advance(lock_order(order_id), event, cause, note=reason)
