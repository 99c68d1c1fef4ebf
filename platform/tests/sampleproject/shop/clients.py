"""The services that the shop asks."""

from dataclasses import dataclass
from decimal import Decimal
from typing import assert_type
from uuid import UUID

from atoll.client import LeastConnections, Reply, Retry, ServiceClient
from atoll.errors import NotFound, Unavailable

products = ServiceClient("product-service", timeout_s=2.0, strategy=LeastConnections(), retry=Retry(limit=1))


@dataclass(frozen=True)
class Product:
    id: UUID
    price: Decimal


def price_of(product_id: UUID) -> Decimal | None:
    """None for a product that does not exist, and while products cannot answer."""
    try:
        reply = products.get(f"/products/{product_id}", params={"fields": ["id", "price"]}, timeout_s=1.0)
        product = reply.raise_for_status().json(Product)
    except (NotFound, Unavailable):
        return None
    assert_type(reply, Reply)
    assert_type(reply.status, int)
    assert_type(product, Product)
    return product.price


def note_price(product_id: UUID, price: Decimal) -> bool:
    seen = {"price": price, "sources": [product_id]}
    reply = products.post("/price-notes", seen, token=False, idempotency_key=f"{product_id}-{price}")
    return reply.ok and reply.headers["Content-Type"] == "application/json"
