"""The goods of a refunded order came back: put them into the stock again."""

from uuid import UUID

from django.db import transaction

from atoll.errors import Conflict
from services.orders.compensation import Compensation
from services.orders.state_machine import Event, Status
from services.orders.usecases.advance import Origin, advance, compensations_of, lock_order


@transaction.atomic
def return_goods(order_id: UUID, origin: Origin, *, note: str = "") -> None:
    """Ask products to add all lines of the order to the stock, once. The history stores ``note``.

    Raises NotFound, and Conflict: ``not_refunded`` for an order with another status,
    ``goods_returned`` after an earlier request.
    """
    order = lock_order(order_id)
    if order.status != Status.REFUNDED:
        raise Conflict(
            f"Order {order_id} is {order.get_status_display().lower()}. Refund its payment first: goods are "
            "returned of a refunded order only.",
            code="not_refunded",
        )
    row = compensations_of(order).get(Compensation.RETURN)
    if row is not None:
        raise Conflict(
            f"The return of the goods of order {order_id} was asked for before: "
            f"{row.get_state_display().lower()}.",
            code="goods_returned",
        )
    advance(order, Event.GOODS_CAME_BACK, origin, note=note)
