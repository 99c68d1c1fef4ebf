"""Staff ask again for the failed compensations of an order."""

from uuid import UUID

from django.db import transaction

from atoll.errors import Conflict
from services.orders.compensation import Compensation, CompensationState, Trigger
from services.orders.state_machine import EVENTS
from services.orders.usecases.advance import Origin, advance, compensations_of, lock_order


@transaction.atomic
def ask_again(order_id: UUID, origin: Origin) -> list[Compensation]:
    """Send the command of each failed compensation again, with a new deadline. Returns the compensations.

    The commands are idempotent. Raises NotFound, and Conflict (``nothing_failed``) when the
    order has no failed compensation.
    """
    order = lock_order(order_id)
    failed = [kind for kind, row in compensations_of(order).items() if row.state == CompensationState.FAILED]
    if not failed:
        raise Conflict(f"Order {order_id} has no failed compensation.", code="nothing_failed")
    for compensation in failed:
        advance(order, EVENTS[compensation, Trigger.ASKED_AGAIN], origin)
    return failed
