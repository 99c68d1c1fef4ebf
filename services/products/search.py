"""The search of the catalogue: PostgreSQL full text, and similar spellings if that finds nothing."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Any
from uuid import UUID

from django.contrib.postgres.search import SearchQuery, SearchRank, TrigramWordSimilarity
from django.db import connection, transaction
from django.db.models import F, QuerySet

from atoll import money
from services.products.models import Product

# The share of the query's trigrams that must appear together in the product's name, category and SKU.
# The default of pg_trgm, 0.6, misses "kettel" for "kettle" (0.57).
NEAR_ENOUGH = 0.45
# A quoted phrase or an excluded word: the search then takes the words as they are written.
OPERATORS = re.compile(r'"|(?:^|\s)-\S')

# The limit for all descriptions of a page; one description has at most 5,000 characters.
CHARS_PER_PAGE = 50_000

ROW = (
    "id", "sku", "name", "description", "category", "price", "currency", "stock",
    "stock_on_hand", "stock_reserved", "is_active", "created_at", "updated_at",
)  # fmt: skip


def within_budget(listed: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a page; descriptions that would exceed CHARS_PER_PAGE become None.

    Clients read these products one by one.
    """
    page, left = [], CHARS_PER_PAGE
    for row in listed:
        length = len(row["description"])
        page.append(row if length <= left else row | {"description": None})
        left -= length if length <= left else 0
    return page


ROW_OF_PRODUCT = """
SELECT id, sku, name, description, category, price, currency, stock_on_hand - stock_reserved,
       stock_on_hand, stock_reserved, is_active, created_at, updated_at
FROM products_product WHERE id = %s
"""


def row_of(product_id: UUID) -> dict[str, Any] | None:
    """One product as the API shows it; None for an unknown id."""
    with connection.cursor() as cursor:
        cursor.execute(ROW_OF_PRODUCT, [product_id])
        found = cursor.fetchone()
    return None if found is None else _shown(dict(zip(ROW, found, strict=True)))


def rows(products: QuerySet[Product], window: slice = slice(None)) -> list[dict[str, Any]]:
    """Products as the API shows them; ``stock`` is the available stock."""
    shown: QuerySet[Product, dict[str, Any]] = products.annotate(
        stock=F("stock_on_hand") - F("stock_reserved")
    ).values(*ROW)
    return [_shown(row) for row in shown[window]]


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    row["price"] = money.exact(row["price"], row["currency"])
    return row


class Ordering(StrEnum):
    RELEVANCE = "relevance"
    NAME = "name"
    NAME_DESCENDING = "-name"
    PRICE = "price"
    PRICE_DESCENDING = "-price"
    OLDEST = "createdAt"
    NEWEST = "-createdAt"


# Prices in two currencies cannot be compared, so the list has one currency after the other.
_COLUMNS = {
    Ordering.NAME: ("name",),
    Ordering.NAME_DESCENDING: ("-name",),
    Ordering.PRICE: ("currency", "price"),
    Ordering.PRICE_DESCENDING: ("currency", "-price"),
    Ordering.OLDEST: ("created_at",),
    Ordering.NEWEST: ("-created_at",),
}


@dataclass(frozen=True, kw_only=True)
class Criteria:
    """Without ``ordering``, a search orders by relevance, and a list without ``search`` by name.

    ``min_price`` and ``max_price`` are amounts in ``currency`` and need it.
    """

    search: str = ""
    category: str | None = None
    currency: str | None = None
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    in_stock: bool | None = None
    is_active: bool = True
    ordering: Ordering | None = None


class ProductSearch:
    """The object list of a paginator; ``len`` and slices read the database."""

    def __init__(self, criteria: Criteria) -> None:
        self.criteria = criteria

    def __len__(self) -> int:
        with self._spelling_threshold():
            return self._matches.count()

    def __getitem__(self, window: slice) -> list[dict[str, Any]]:
        with self._spelling_threshold():
            return within_budget(rows(self._ordered, window))

    @cached_property
    def _filtered(self) -> QuerySet[Product]:
        criteria = self.criteria
        rows = Product.objects.filter(is_active=criteria.is_active)
        if criteria.category is not None:
            rows = rows.filter(category=criteria.category)
        if criteria.currency is not None:
            rows = rows.filter(currency=criteria.currency)
        if criteria.min_price is not None:
            rows = rows.filter(price__gte=criteria.min_price)
        if criteria.max_price is not None:
            rows = rows.filter(price__lte=criteria.max_price)
        if criteria.in_stock is True:
            rows = rows.filter(stock_on_hand__gt=F("stock_reserved"))
        if criteria.in_stock is False:
            rows = rows.filter(stock_on_hand__lte=F("stock_reserved"))
        return rows

    @cached_property
    def _query(self) -> SearchQuery:
        return SearchQuery(self.criteria.search, search_type="websearch", config="english")

    @cached_property
    def _spelt_otherwise(self) -> bool:
        """Whether no product, without regard to the filters, contains the words as they are written."""
        text = self.criteria.search
        if not text or OPERATORS.search(text):
            return False
        return not Product.objects.filter(is_active=self.criteria.is_active, search=self._query).exists()

    @cached_property
    def _matches(self) -> QuerySet[Product]:
        text = self.criteria.search
        if not text:
            return self._filtered
        if self._spelt_otherwise:
            return self._filtered.filter(spelling__trigram_word_similar=text)
        return self._filtered.filter(search=self._query)

    @property
    def _ordered(self) -> QuerySet[Product]:
        text = self.criteria.search
        ordering = self.criteria.ordering or (Ordering.RELEVANCE if text else Ordering.NAME)
        if ordering is not Ordering.RELEVANCE:
            return self._matches.order_by(*_COLUMNS[ordering], "id")
        if not text:
            return self._matches.order_by("name", "id")
        closeness = (
            TrigramWordSimilarity(text, "spelling")
            if self._spelt_otherwise
            else SearchRank(F("search"), self._query)
        )
        return self._matches.annotate(closeness=closeness).order_by("-closeness", "name", "id")

    @contextmanager
    def _spelling_threshold(self) -> Iterator[None]:
        """Set the threshold of the index operator for similar spellings, for this transaction."""
        if not self._spelt_otherwise:
            yield
            return
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('pg_trgm.word_similarity_threshold', %s, true)", [str(NEAR_ENOUGH)]
            )
            yield
