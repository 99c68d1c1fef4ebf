"""An account was deleted: nobody waits for its open orders any more."""

from uuid import UUID

from django.db import transaction

from services.orders.course import OPEN, Event
from services.orders.models import Order
from services.orders.usecases.advance import Cause, advance


@transaction.atomic(savepoint=False)
def cancel_orders_of_user(user_id: UUID, cause: Cause) -> int:
    """Cancel every open order of the user; how many there were.

    The rows are locked in the order of their ids, so that two such runs cannot
    wait for each other.
    """
    open_orders = Order.objects.filter(user_id=user_id, status__in=OPEN).order_by("id")
    orders = list(open_orders.select_for_update())
    for order in orders:
        advance(order, Event.USER_DELETED, cause, reason="user_deleted")
    return len(orders)
