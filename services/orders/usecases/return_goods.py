"""The goods of a refunded order came back: have them put into the stock again."""

from uuid import UUID

from django.db import transaction

from atoll.errors import Conflict
from services.orders.compensation import Compensation
from services.orders.course import Event, Status
from services.orders.usecases.advance import Cause, advance, compensations_of, lock_order


@transaction.atomic
def return_goods(order_id: UUID, cause: Cause, *, note: str = "") -> None:
    """Ask products to take back all that the order bought, once; the history keeps ``note``.

    Raises NotFound, and Conflict: ``not_refunded`` while the order is not refunded,
    ``goods_returned`` when the return was asked for before.
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
    advance(order, Event.GOODS_CAME_BACK, cause, note=note)
