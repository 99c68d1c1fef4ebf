"""Turn the reservation of an order into a sale."""

from uuid import UUID

from django.db import transaction

from services.products import stock
from services.products.errors import ReservationNotHeld
from services.products.models import StockReservation

State = StockReservation.State


def commit_stock(order_id: UUID) -> StockReservation:
    """Take the reserved pieces out of the stock; idempotent. A returned reservation does not change.

    Raises ReservationNotHeld for an order without a reservation and for a rejected or released one.
    """
    with transaction.atomic(savepoint=False):
        if stock.move(order_id, stock.SELL):
            return StockReservation(order_id=order_id, state=State.COMMITTED)
        reservation = StockReservation.objects.select_for_update().filter(order_id=order_id).first()
        if reservation and reservation.state == State.HELD:
            # Another transaction made it after the first look.
            stock.move(order_id, stock.SELL)
            reservation.state = State.COMMITTED
    if reservation is None or reservation.state in {State.REJECTED, State.RELEASED}:
        found = "it never reserved any" if reservation is None else f"it is {reservation.state}"
        raise ReservationNotHeld(f"Order {order_id} holds no stock that could be sold: {found}.")
    return reservation
