"""Products rejected a reservation: cancel the order and store the shortages in its history."""

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from services.orders.events import Shortage
from services.orders.models import Order
from services.orders.state_machine import Event
from services.orders.usecases.advance import Origin, advance, lock_order


@transaction.atomic(savepoint=False)
def record_stock_rejected(order_id: UUID, shortages: Sequence[Shortage], origin: Origin) -> None:
    """Raises NotFound (``order_not_found``)."""
    order = lock_order(order_id)
    advance(order, Event.STOCK_REJECTED, origin, note=_described(order, shortages))


def _described(order: Order, shortages: Sequence[Shortage]) -> str:
    names = {line.product_id: line.name for line in order.lines.all()}
    return ", ".join(
        f"{names.get(short.product_id, short.product_id)}: {short.requested} asked, "
        f"{short.available} available"
        for short in shortages
    )
