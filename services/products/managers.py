"""Locks. Every transaction first locks the reservation of an order, then products by ascending id.

Transactions that lock in this order never wait for each other in a circle, so no deadlock happens.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import models

if TYPE_CHECKING:
    from services.products.models import Product, StockReservation


class ProductManager(models.Manager["Product"]):
    def locked(self, product_ids: Iterable[UUID]) -> dict[UUID, "Product"]:
        """The existing products by id, locked until the transaction ends."""
        rows = (
            self.select_for_update(no_key=True)
            .defer("search", "spelling")
            .filter(id__in=set(product_ids))
            .order_by("id")
        )
        return {product.id: product for product in rows}


class StockReservationManager(models.Manager["StockReservation"]):
    def locked(self, order_id: UUID, *, state_if_new: str) -> tuple["StockReservation", bool]:
        """The order's reservation, locked until the transaction ends, and whether it is new.

        If two transactions find none at the same time, one makes it and the other waits for it.
        """
        return self.select_for_update().get_or_create(order_id=order_id, defaults={"state": state_if_new})
