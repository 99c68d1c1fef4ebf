"""Staff have what failed to be undone asked for once more."""

from uuid import UUID

from django.db import transaction

from atoll.errors import Conflict
from services.orders.compensation import Compensation, Cue, Undoing
from services.orders.course import EVENTS
from services.orders.usecases.advance import Cause, advance, compensations_of, lock_order


@transaction.atomic
def ask_again(order_id: UUID, cause: Cause) -> list[Compensation]:
    """Send the command of each failed compensation again, with a deadline of its own; which they were.

    Commands that undo may be repeated at will. Raises NotFound, and Conflict
    (``nothing_failed``) when nothing of the order failed to be undone.
    """
    order = lock_order(order_id)
    failed = [kind for kind, row in compensations_of(order).items() if row.state == Undoing.FAILED]
    if not failed:
        raise Conflict(f"Nothing of order {order_id} failed to be undone.", code="nothing_failed")
    for compensation in failed:
        advance(order, EVENTS[compensation, Cue.ASKED_AGAIN], cause)
    return failed
