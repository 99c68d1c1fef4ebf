"""Add the goods of an order to the stock again, and answer."""

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from atoll.bus import publish
from services.products.cache import invalidate_on_commit
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
    with transaction.atomic():
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
    quantities = dict(reservation.items.values_list("product_id", "quantity"))
    products = Product.objects.locked(quantities)
    now = timezone.now()
    for product_id, product in products.items():
        if was_sold:
            product.stock_on_hand += quantities[product_id]
        else:
            product.stock_reserved -= quantities[product_id]
        if product.stock_on_hand > MAX_STOCK:
            return False
        product.updated_at = now
    Product.objects.bulk_update(products.values(), ["stock_on_hand", "stock_reserved", "updated_at"])
    reservation.state = State.RETURNED
    reservation.save(update_fields=["state", "updated_at"])
    invalidate_on_commit(products)
    return True
