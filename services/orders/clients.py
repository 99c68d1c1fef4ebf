"""Requests of orders to users and products while it prepares a quote."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from atoll import money, wire
from atoll.client import Reply, ServiceClient
from atoll.errors import BadAnswer

TIMEOUT_S = 5.0
HTTP_NOT_FOUND = 404

users = ServiceClient("user-service", timeout_s=TIMEOUT_S)
products = ServiceClient("product-service", timeout_s=TIMEOUT_S)

Record = TypeVar("Record")

# More than the threads that answer requests, so no lookup waits for a thread.
MOST_THREADS = 64


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="lookup")


os.register_at_fork(after_in_child=_threads.cache_clear)


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


def fetch_customer_and_products(
    user_id: UUID, product_ids: Sequence[UUID]
) -> tuple[Customer | None, dict[UUID, Product]]:
    """Both at the same time, in the context of the caller; see ``fetch_customer`` and ``fetch_products``.

    An error of users comes before one of products. Without an active customer there are no products.
    """
    in_context = copy_context().run
    asked = _threads().submit(in_context, fetch_products, product_ids)
    try:
        customer = fetch_customer(user_id)
        return customer, asked.result() if customer and customer.is_active else {}
    finally:
        # Without an answer of users nobody needs the products, which may still wait for a thread.
        asked.cancel()


def fetch_customer(user_id: UUID) -> Customer | None:
    """The account of the user; None when users has none. Raises Unavailable."""
    reply = users.get(f"/users/{user_id}")
    if reply.status == HTTP_NOT_FOUND:
        return None
    return _read(Customer, _body(reply, "user-service"), "user-service")


def fetch_products(product_ids: Sequence[UUID]) -> dict[UUID, Product]:
    """The existing products among these ids (100 at most) by id, with today's prices. Raises Unavailable."""
    ids = ",".join(str(product_id) for product_id in product_ids)
    reply = products.get("/products", params={"ids": ids})
    rows = _body(reply, "product-service")
    if not isinstance(rows, list):
        raise BadAnswer("product-service", "did not answer with a list of products")
    found = (_with_exact_price(_read(Product, row, "product-service")) for row in rows)
    return {product.id: product for product in found}


def _with_exact_price(product: Product) -> Product:
    """Raises BadAnswer for a price that is 0 or does not fit its currency."""
    try:
        price = money.check(product.price, product.currency)
        if price > 0:
            return replace(product, price=price)
        problem = "A price is above 0."
    except (money.UnknownCurrency, money.UnfitAmount) as unfit:
        problem = str(unfit)
    raise BadAnswer("product-service", f"product {product.id} has no valid price: {problem}")


def _body(reply: Reply, service: str) -> Any:
    """The JSON of a successful reply. A refusal means that our own request was wrong, not the customer's."""
    if not reply.ok:
        raise BadAnswer(service, f"refused to answer ({reply.status})")
    return reply.json()


def _read(record: type[Record], data: Any, service: str) -> Record:
    try:
        return wire.from_payload(record, data)
    except wire.SchemaError as unreadable:
        raise BadAnswer(service, f"sent something unexpected: {unreadable}") from unreadable
