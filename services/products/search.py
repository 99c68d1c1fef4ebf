"""The catalogue search: PostgreSQL full text first, near spellings when that finds nothing."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Any

from django.contrib.postgres.search import SearchQuery, SearchRank, TrigramWordSimilarity
from django.db import connection, transaction
from django.db.models import F, QuerySet

from atoll import money
from services.products.models import Product

# Share of the misspelt query's trigrams that must be found side by side in the product's
# name, category and SKU. pg_trgm's own 0.6 misses "kettel" for "kettle" (0.57).
NEAR_ENOUGH = 0.45
# A quoted phrase, an excluded word: who writes these means what is written.
OPERATORS = re.compile(r'"|(?:^|\s)-\S')

# Of the descriptions in one list; one has 5,000 at most.
CHARS_PER_PAGE = 50_000

ROW = (
    "id", "sku", "name", "description", "category", "price", "currency", "stock",
    "stock_on_hand", "stock_reserved", "is_active", "created_at", "updated_at",
)  # fmt: skip


def within_budget(listed: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a page, with their descriptions as long as these have CHARS_PER_PAGE characters at most.

    The others have None for it, and are read one by one.
    """
    page, left = [], CHARS_PER_PAGE
    for row in listed:
        length = len(row["description"])
        page.append(row if length <= left else row | {"description": None})
        left -= length if length <= left else 0
    return page


def rows(products: QuerySet[Product], window: slice = slice(None)) -> list[dict[str, Any]]:
    """Products as the API shows them; ``stock`` is what can still be ordered."""
    shown: QuerySet[Product, dict[str, Any]] = products.annotate(
        stock=F("stock_on_hand") - F("stock_reserved")
    ).values(*ROW)
    return [row | {"price": money.exact(row["price"], row["currency"])} for row in shown[window]]


class Ordering(StrEnum):
    RELEVANCE = "relevance"
    NAME = "name"
    NAME_DESCENDING = "-name"
    PRICE = "price"
    PRICE_DESCENDING = "-price"
    OLDEST = "createdAt"
    NEWEST = "-createdAt"


# Prices of two currencies cannot be compared, so each currency has a run of its own.
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
    """What to look for. ``ordering`` None means by relevance when searching, else by name.

    ``min_price`` and ``max_price`` are amounts in ``currency`` and need one.
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
    """The products that meet the criteria, read when counted or sliced; a paginator's object list."""

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
        """Whether no product at all, filters aside, has the words as they are written."""
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
        """The index operator of near spellings takes its threshold from a setting of the transaction."""
        if not self._spelt_otherwise:
            yield
            return
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('pg_trgm.word_similarity_threshold', %s, true)", [str(NEAR_ENOUGH)]
            )
            yield
