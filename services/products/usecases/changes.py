"""The field ``changes`` of product events: new values by their names on the wire."""

from collections.abc import Iterable
from typing import Any

from atoll import money, wire
from services.products.models import Product

EDITABLE = ("sku", "name", "description", "category", "price", "currency", "is_active")
ANNOUNCED = (*EDITABLE, "stock_on_hand")


def announced(product: Product, fields: Iterable[str] = ANNOUNCED) -> dict[str, Any]:
    return {wire.camel(field): _value(product, field) for field in fields}


def _value(product: Product, field: str) -> Any:
    if field == "price":
        return money.exact(product.price, product.currency)
    return getattr(product, field)
