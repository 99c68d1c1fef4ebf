"""Staff mark a failed compensation as settled, because they did its work themselves."""

from uuid import UUID

from django.db import transaction

from atoll.errors import Conflict, InvalidInput
from services.orders.compensation import Compensation, CompensationState, Trigger
from services.orders.models import MAX_REASON_LENGTH
from services.orders.state_machine import EVENTS
from services.orders.usecases.advance import Origin, advance, compensations_of, lock_order


@transaction.atomic
def settle_by_hand(order_id: UUID, compensation: Compensation, origin: Origin, *, reason: str) -> None:
    """Settle a failed compensation. The history stores ``reason``, which says how it was done.

    Raises NotFound, InvalidInput without a reason, and Conflict (``nothing_failed``) for a
    compensation in another state.
    """
    reason = reason.strip()
    if not 0 < len(reason) <= MAX_REASON_LENGTH:
        raise InvalidInput(f"Say in 1 to {MAX_REASON_LENGTH} characters how it was settled.")
    order = lock_order(order_id)
    row = compensations_of(order).get(compensation)
    if row is None or row.state != CompensationState.FAILED:
        found = row.get_state_display().lower() if row else "never needed"
        raise Conflict(
            f"{compensation.label} of order {order_id}: {found}. Only what failed can be settled by hand.",
            code="nothing_failed",
        )
    advance(order, EVENTS[compensation, Trigger.SETTLED], origin, note=reason)
