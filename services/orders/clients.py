"""What orders asks of users and products while an order is placed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from atoll import wire
from atoll.client import Reply, ServiceClient
from atoll.errors import BadAnswer

TIMEOUT_S = 5.0
HTTP_NOT_FOUND = 404
CURRENCY = re.compile(r"[A-Z]{3}")
CENT = Decimal("0.01")
MAX_PRICE = Decimal("9999999999.99")

users = ServiceClient("user-service", timeout_s=TIMEOUT_S)
products = ServiceClient("product-service", timeout_s=TIMEOUT_S)

Record = TypeVar("Record")


@dataclass(frozen=True)
class Customer:
    id: UUID
    name: str
    email: str
    is_active: bool
    updated_at: datetime


@dataclass(frozen=True)
class Product:
    id: UUID
    name: str
    price: Decimal
    currency: str
    is_active: bool


def fetch_customer(user_id: UUID) -> Customer | None:
    """The account as users knows it now, None when there is none. Raises Unavailable."""
    reply = users.get(f"/users/{user_id}")
    if reply.status == HTTP_NOT_FOUND:
        return None
    return _read(Customer, _body(reply, "user-service"), "user-service")


def fetch_products(product_ids: Sequence[UUID]) -> dict[UUID, Product]:
    """The products that exist among these (100 at most), with today's prices. Raises Unavailable."""
    ids = ",".join(str(product_id) for product_id in product_ids)
    reply = products.get("/products", params={"ids": ids})
    rows = _body(reply, "product-service")
    if not isinstance(rows, list):
        raise BadAnswer("product-service", "did not answer with a list of products")
    found = [_read(Product, row, "product-service") for row in rows]
    for product in found:
        _check_price(product)
    return {product.id: product for product in found}


def _check_price(product: Product) -> None:
    """A price we could not store or charge exactly is no price."""
    in_bounds = 0 <= product.price <= MAX_PRICE and product.price == product.price.quantize(CENT)
    if not in_bounds or not CURRENCY.fullmatch(product.currency):
        raise BadAnswer(
            "product-service", f"sells {product.id} for {product.price} {product.currency}, which is no price"
        )


def _body(reply: Reply, service: str) -> Any:
    """The JSON of a good answer. A refusal here is about our own request, never the customer's."""
    if not reply.ok:
        raise BadAnswer(service, f"refused to answer ({reply.status})")
    return reply.json()


def _read(record: type[Record], data: Any, service: str) -> Record:
    try:
        return wire.from_payload(record, data)
    except wire.SchemaError as unreadable:
        raise BadAnswer(service, f"sent something unexpected: {unreadable}") from unreadable
