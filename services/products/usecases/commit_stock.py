"""Turn the reservation of an order into a sale."""

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from services.products.cache import invalidate_on_commit
from services.products.errors import ReservationNotHeld
from services.products.models import Product, StockReservation

State = StockReservation.State


def commit_stock(order_id: UUID) -> StockReservation:
    """Take the reserved pieces out of the stock; idempotent. A returned reservation does not change.

    Raises ReservationNotHeld for an order without a reservation and for a rejected or released one.
    """
    with transaction.atomic():
        reservation = StockReservation.objects.select_for_update().filter(order_id=order_id).first()
        if reservation is None or reservation.state not in {State.HELD, State.COMMITTED, State.RETURNED}:
            found = "it never reserved any" if reservation is None else f"it is {reservation.state}"
            raise ReservationNotHeld(f"Order {order_id} holds no stock that could be sold: {found}.")
        if reservation.state != State.HELD:
            return reservation
        quantities = dict(reservation.items.values_list("product_id", "quantity"))
        products = Product.objects.locked(quantities)
        now = timezone.now()
        for product_id, product in products.items():
            product.stock_on_hand -= quantities[product_id]
            product.stock_reserved -= quantities[product_id]
            product.updated_at = now
        Product.objects.bulk_update(products.values(), ["stock_on_hand", "stock_reserved", "updated_at"])
        reservation.state = State.COMMITTED
        reservation.save(update_fields=["state", "updated_at"])
        invalidate_on_commit(products)
    return reservation
