"""A compensation got no confirmation before its deadline: a person must look."""

from uuid import UUID

from django.db import transaction

from services.orders.compensation import Compensation, Trigger
from services.orders.state_machine import EVENTS, Status
from services.orders.usecases.advance import Origin, advance, compensations_of, entry_of, lock_order


@transaction.atomic(savepoint=False)
def expire_compensation(order_id: UUID, compensation: Compensation, ask: int, origin: Origin) -> None:
    """Mark the compensation as failed if ``ask`` is the number of its latest request.

    The deadline of an earlier request only becomes a line of the history. Raises NotFound.
    """
    order = lock_order(order_id)
    event = EVENTS[compensation, Trigger.OVERDUE]
    row = compensations_of(order).get(compensation)
    if row is not None and row.asks != ask:
        status = Status(order.status)
        note = f"Deadline of ask {ask}; it was asked {row.asks} times since."
        entry_of(order, event, origin, before=status, note=note).save()
    else:
        advance(order, event, origin, note="not confirmed in time")
