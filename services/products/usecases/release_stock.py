"""Release the reservation of an order, and answer."""

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from atoll.bus import publish
from services.products.cache import invalidate_on_commit
from services.products.events import StockReleased, StockReleaseFailed
from services.products.models import Product, StockReservation

State = StockReservation.State
ALREADY_SOLD = "already_sold"


def release_stock(order_id: UUID) -> StockReservation:
    """Release the reservation, once, and announce stock.released each time.

    If it runs before the reservation, it stores a released row, which rejects the late reservation. For
    a committed order it announces stock.release_failed and changes nothing.
    """
    with transaction.atomic():
        reservation, _ = StockReservation.objects.locked(order_id, state_if_new=State.RELEASED)
        if reservation.state == State.HELD:
            _give_back(reservation)
        publish(_answer(reservation), key=str(order_id))
    return reservation


def _give_back(reservation: StockReservation) -> None:
    quantities = dict(reservation.items.values_list("product_id", "quantity"))
    products = Product.objects.locked(quantities)
    now = timezone.now()
    for product_id, product in products.items():
        product.stock_reserved -= quantities[product_id]
        product.updated_at = now
    Product.objects.bulk_update(products.values(), ["stock_reserved", "updated_at"])
    reservation.state = State.RELEASED
    reservation.save(update_fields=["state", "updated_at"])
    invalidate_on_commit(products)


def _answer(reservation: StockReservation) -> StockReleased | StockReleaseFailed:
    if reservation.state == State.COMMITTED:
        return StockReleaseFailed(order_id=reservation.order_id, reason=ALREADY_SOLD)
    return StockReleased(order_id=reservation.order_id)
