"""Apply an event that another service or a timer reported."""

from uuid import UUID

from django.db import transaction

from services.orders.state_machine import Event
from services.orders.usecases.advance import Origin, advance, lock_order


@transaction.atomic(savepoint=False)
def record_event(order_id: UUID, event: Event, origin: Origin, *, reason: str = "") -> None:
    """``reason`` is the other service's, such as ``card_declined``; see ``advance``.

    Raises NotFound (``order_not_found``).
    """
    advance(lock_order(order_id), event, origin, reason=reason)
