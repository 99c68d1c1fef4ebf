"""Products rejected a reservation: cancel the order and store the cause in its history."""

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from services.orders.events import Shortage
from services.orders.models import Order
from services.orders.state_machine import Event
from services.orders.usecases.advance import Origin, advance, lock_order

# A reservation without shortages is rejected because it was released: a command that is carried out late,
# such as a dead letter after its replay, finds the order's reservation ended. Nothing is out of stock then.
RELEASED = "stock_released"
RELEASED_NOTE = "The reservation was released before. No product was short."


@transaction.atomic(savepoint=False)
def record_stock_rejected(order_id: UUID, shortages: Sequence[Shortage], origin: Origin) -> None:
    """Raises NotFound (``order_not_found``)."""
    order = lock_order(order_id)
    if shortages:
        advance(order, Event.STOCK_REJECTED, origin, note=_described(order, shortages))
    else:
        advance(order, Event.STOCK_REJECTED, origin, reason=RELEASED, note=RELEASED_NOTE)


def _described(order: Order, shortages: Sequence[Shortage]) -> str:
    names = {line.product_id: line.name for line in order.lines.all()}
    return ", ".join(
        f"{names.get(short.product_id, short.product_id)}: {short.requested} asked, "
        f"{short.available} available"
        for short in shortages
    )
