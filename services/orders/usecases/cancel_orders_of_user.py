"""Cancel the open orders of a deleted account."""

from uuid import UUID

from django.db import transaction

from services.orders.models import Order
from services.orders.state_machine import Event
from services.orders.usecases.advance import Origin, advance


@transaction.atomic(savepoint=False)
def cancel_orders_of_user(user_id: UUID, origin: Origin) -> int:
    """Cancel every open order of the user. Returns their number.

    The query locks the rows in the order of their ids, so two runs cannot deadlock.
    """
    open_orders = Order.objects.filter(user_id=user_id, finished_at=None).order_by("id")
    orders = list(open_orders.select_for_update())
    for order in orders:
        advance(order, Event.USER_DELETED, origin)
    return len(orders)
