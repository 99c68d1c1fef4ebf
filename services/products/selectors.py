"""Queries about the catalogue. Reads that set prices of orders do not use the cache."""

from collections.abc import Callable, Iterable
from dataclasses import astuple
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db.models import F, OuterRef, QuerySet, Sum

from services.products.cache import read_through
from services.products.errors import ProductNotFound
from services.products.models import Product, ReservedItem, StockReservation
from services.products.search import Criteria, ProductSearch, row_of, rows, within_budget

Row = dict[str, Any]


def product_page(product_id: UUID, *, with_inactive: bool = False) -> Row:
    """One product. Raises ProductNotFound, also for an inactive one by default."""
    row = row_of(product_id)
    if row is None or not (row["is_active"] or with_inactive):
        raise ProductNotFound(product_id)
    return row


def active_products(product_ids: Iterable[UUID]) -> list[Row]:
    """The active products among the ids, from the database, because orders take their prices from here."""
    found = Product.objects.filter(id__in=list(product_ids), is_active=True).order_by("name", "id")
    return within_budget(rows(found))


def catalogue_page(
    criteria: Criteria, fields: frozenset[str], window: slice, render: Callable[[list[Row]], bytes]
) -> tuple[int, bytes]:
    """The number of all matches, and the rendered rows of the window, from the cache."""
    asked = (astuple(criteria), sorted(fields), window.start, window.stop)
    key = sha256(repr(asked).encode()).hexdigest()

    def read() -> tuple[int, bytes]:
        search = ProductSearch(criteria)
        total = len(search)
        return total, render(search[window] if window.start < total else [])

    return read_through(key, read)


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
