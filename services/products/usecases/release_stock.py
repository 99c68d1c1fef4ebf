"""Release the reservation of an order, and answer."""

from uuid import UUID

from django.db import transaction

from atoll.bus import publish
from services.products import stock
from services.products.events import StockReleased, StockReleaseFailed
from services.products.models import StockReservation

State = StockReservation.State
ALREADY_SOLD = "already_sold"


def release_stock(order_id: UUID) -> StockReservation:
    """Release the reservation, once, and announce stock.released each time.

    If it runs before the reservation, it stores a released row, which rejects the late reservation. For
    a committed order it announces stock.release_failed and changes nothing.
    """
    with transaction.atomic(savepoint=False):
        reservation, _ = StockReservation.objects.locked(order_id, state_if_new=State.RELEASED)
        if reservation.state == State.HELD:
            stock.move(order_id, stock.RELEASE)
            reservation.state = State.RELEASED
        publish(_answer(reservation), key=str(order_id))
    return reservation


def _answer(reservation: StockReservation) -> StockReleased | StockReleaseFailed:
    if reservation.state == State.COMMITTED:
        return StockReleaseFailed(order_id=reservation.order_id, reason=ALREADY_SOLD)
    return StockReleased(order_id=reservation.order_id)
