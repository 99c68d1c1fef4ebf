"""Give an order's held stock back."""

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from services.products.cache import forget_on_commit
from services.products.errors import AlreadyCommitted
from services.products.models import Product, StockReservation

State = StockReservation.State


def release_stock(order_id: UUID) -> StockReservation:
    """Make available again what the order held; once, however often it is asked.

    Asked before the reserve arrived, it marks the order as released, so that the
    late reserve is rejected. Raises AlreadyCommitted when the order bought its stock.
    """
    with transaction.atomic():
        reservation, is_new = StockReservation.objects.locked(order_id, state_if_new=State.RELEASED)
        if reservation.state == State.COMMITTED:
            raise AlreadyCommitted(f"The stock of order {order_id} was bought; it cannot be released.")
        if is_new or reservation.state != State.HELD:
            return reservation
        quantities = dict(reservation.items.values_list("product_id", "quantity"))
        products = Product.objects.locked(quantities)
        now = timezone.now()
        for product_id, product in products.items():
            product.stock_reserved -= quantities[product_id]
            product.updated_at = now
        Product.objects.bulk_update(products.values(), ["stock_reserved", "updated_at"])
        reservation.state = State.RELEASED
        reservation.save(update_fields=["state", "updated_at"])
        forget_on_commit(products)
    return reservation
