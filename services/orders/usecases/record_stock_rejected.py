"""Products cannot supply an order: cancel it and keep what was short."""

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from services.orders.course import Event
from services.orders.events import Shortage
from services.orders.models import Order
from services.orders.usecases.advance import Cause, advance, lock_order


@transaction.atomic(savepoint=False)
def record_stock_rejected(order_id: UUID, shortages: Sequence[Shortage], cause: Cause) -> None:
    """Raises NotFound for an order that is not ours."""
    order = lock_order(order_id)
    advance(order, Event.STOCK_REJECTED, cause, reason="out_of_stock", note=_what_was_short(order, shortages))


def _what_was_short(order: Order, shortages: Sequence[Shortage]) -> str:
    names = {line.product_id: line.name for line in order.lines.all()}
    return ", ".join(
        f"{names.get(short.product_id, short.product_id)}: {short.requested} asked, "
        f"{short.available} available"
        for short in shortages
    )
