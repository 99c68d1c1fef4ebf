"""What was to be undone was not confirmed in time: a person must look."""

from uuid import UUID

from django.db import transaction

from services.orders.compensation import Compensation, Cue
from services.orders.course import EVENTS, Status
from services.orders.usecases.advance import Cause, advance, compensations_of, lock_order, record


@transaction.atomic(savepoint=False)
def expire_compensation(order_id: UUID, compensation: Compensation, ask: int, cause: Cause) -> None:
    """The deadline of the given time of asking passed; that of an earlier one is kept and ignored.

    Raises NotFound for an order that is not ours.
    """
    order = lock_order(order_id)
    event = EVENTS[compensation, Cue.OVERDUE]
    row = compensations_of(order).get(compensation)
    if row is not None and row.asks != ask:
        status = Status(order.status)
        note = f"Deadline of ask {ask}; it was asked {row.asks} times since."
        record(order, event, cause, before=status, after=status, note=note)
    else:
        advance(order, event, cause, note="not confirmed in time")
