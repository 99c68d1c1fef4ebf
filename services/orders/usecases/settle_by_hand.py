"""Staff have undone themselves what a service could not."""

from uuid import UUID

from django.db import transaction

from atoll.errors import Conflict, InvalidInput
from services.orders.compensation import Compensation, Cue, Undoing
from services.orders.course import EVENTS
from services.orders.models import MAX_REASON_LENGTH
from services.orders.usecases.advance import Cause, advance, compensations_of, lock_order


@transaction.atomic
def settle_by_hand(order_id: UUID, compensation: Compensation, cause: Cause, *, reason: str) -> None:
    """Take a failed compensation as settled; ``reason`` says how, and the history keeps it.

    Raises NotFound, InvalidInput without a reason, and Conflict (``nothing_failed``)
    when this compensation did not fail.
    """
    reason = reason.strip()
    if not 0 < len(reason) <= MAX_REASON_LENGTH:
        raise InvalidInput(f"Say in 1 to {MAX_REASON_LENGTH} characters how it was settled.")
    order = lock_order(order_id)
    row = compensations_of(order).get(compensation)
    if row is None or row.state != Undoing.FAILED:
        found = row.get_state_display().lower() if row else "never needed"
        raise Conflict(
            f"{compensation.label} of order {order_id}: {found}. Only what failed can be settled by hand.",
            code="nothing_failed",
        )
    advance(order, EVENTS[compensation, Cue.SETTLED], cause, note=reason)
