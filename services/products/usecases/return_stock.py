"""Add the goods of an order to the stock again, and answer."""

from uuid import UUID

from django.db import transaction

from atoll.bus import publish
from services.products import stock
from services.products.events import StockReturned, StockReturnFailed
from services.products.models import MAX_STOCK, Product, StockReservation

State = StockReservation.State
NOT_SOLD = "not_sold"
NO_ROOM = "stock_out_of_bounds"


def return_stock(order_id: UUID) -> StockReservation | None:
    """Add the items to the stock, once, and announce stock.returned each time.

    If it runs before the commit, it releases the reservation, and the late commit changes nothing.
    For an order without a sale, and for a stock above MAX_STOCK, it announces stock.return_failed and
    changes nothing.
    """
    with transaction.atomic(savepoint=False):
        reservation = StockReservation.objects.select_for_update().filter(order_id=order_id).first()
        refusal = NOT_SOLD
        if reservation is not None and reservation.state in {State.COMMITTED, State.HELD}:
            refusal = "" if _took_back(reservation) else NO_ROOM
        elif reservation is not None and reservation.state == State.RETURNED:
            refusal = ""
        if refusal:
            publish(StockReturnFailed(order_id=order_id, reason=refusal), key=str(order_id))
        else:
            publish(StockReturned(order_id=order_id), key=str(order_id))
    return reservation


def _took_back(reservation: StockReservation) -> bool:
    """Returns False, without a change, if the stock would exceed MAX_STOCK."""
    was_sold = reservation.state == State.COMMITTED
    if was_sold and not _has_room(reservation):
        return False
    stock.move(reservation.order_id, stock.RETURN_SOLD if was_sold else stock.RETURN_UNSOLD)
    reservation.state = State.RETURNED
    return True


def _has_room(reservation: StockReservation) -> bool:
    quantities = dict(reservation.items.values_list("product_id", "quantity"))
    products = Product.objects.locked(quantities)
    return all(product.stock_on_hand + quantities[one] <= MAX_STOCK for one, product in products.items())
