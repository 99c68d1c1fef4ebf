"""Queries about the catalogue. Reads that set prices of orders do not use the cache."""

from collections.abc import Iterable
from dataclasses import astuple
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db.models import F, OuterRef, QuerySet, Sum

from services.products.cache import CATALOGUE, product_scope, read_through
from services.products.errors import ProductNotFound
from services.products.models import Product, ReservedItem, StockReservation
from services.products.search import Criteria, ProductSearch, rows, within_budget

Row = dict[str, Any]


def product_page(product_id: UUID, *, with_inactive: bool = False) -> Row:
    """One product, from the cache. Raises ProductNotFound, also for an inactive one by default."""
    row = read_through(product_scope(product_id), "page", lambda: _row(product_id))
    if row is None or not (row["is_active"] or with_inactive):
        raise ProductNotFound(product_id)
    return row


def product_as_stored(product_id: UUID) -> Row:
    """One product, active or not, from the database. Raises ProductNotFound."""
    row = _row(product_id)
    if row is None:
        raise ProductNotFound(product_id)
    return row


def _row(product_id: UUID) -> Row | None:
    return next(iter(rows(Product.objects.filter(id=product_id))), None)


def active_products(product_ids: Iterable[UUID]) -> list[Row]:
    """The active products among the ids, from the database, because orders take their prices from here."""
    found = Product.objects.filter(id__in=list(product_ids), is_active=True).order_by("name", "id")
    return within_budget(rows(found))


class CachedSearch:
    """A ProductSearch with its length and pages in the cache."""

    def __init__(self, criteria: Criteria) -> None:
        self._search = ProductSearch(criteria)
        self._key = sha256(repr(astuple(criteria)).encode()).hexdigest()

    def __len__(self) -> int:
        return read_through(CATALOGUE, f"{self._key}:count", self._search.__len__)

    def __getitem__(self, window: slice) -> list[Row]:
        key = f"{self._key}:{window.start}:{window.stop}"
        return read_through(CATALOGUE, key, lambda: self._search[window])


def count_active() -> int:
    return Product.objects.filter(is_active=True).count()


def count_sold_out() -> int:
    """Active products without available stock."""
    return Product.objects.filter(is_active=True, stock_on_hand__lte=F("stock_reserved")).count()


def pieces_of_reservation(order_id: OuterRef) -> QuerySet[Any, Any]:
    """A subquery for the number of pieces in a reservation."""
    items = ReservedItem.objects.filter(reservation=order_id).order_by().values("reservation")
    return items.annotate(pieces=Sum("quantity")).values("pieces")


def count_held_reservations() -> int:
    return StockReservation.objects.filter(state=StockReservation.State.HELD).count()
