"""Orders for tests, placed by the use case of the service, without requests to other services."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from atoll.ids import uuid7
from services.orders.clients import Customer, Product
from services.orders.models import Order
from services.orders.usecases.advance import Origin
from services.orders.usecases.place_order import place_order
from services.orders.usecases.quote_order import Quote, QuotedLine

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
BY_CUSTOMER = Origin(actor="user:test")
LAMP = Product(uuid7(), "Trail lamp", Decimal("24.90"), "EUR", True)
ROPE = Product(uuid7(), "Climbing rope", Decimal("79.50"), "EUR", True)


def quote(user_id: UUID | None = None) -> Quote:
    """Two lamps and one rope: 129.30 EUR."""
    customer = Customer(user_id or uuid7(), "Ada Lovelace", "ada@example.com", True, LONG_AGO)
    return Quote(customer, (QuotedLine(LAMP, 2), QuotedLine(ROPE, 1)), Decimal("129.30"), "EUR")


def placed(user_id: UUID | None = None, payment_method: str = "card") -> Order:
    with transaction.atomic():
        return place_order(quote(user_id), payment_method, BY_CUSTOMER)


def moves(order: Order) -> list[tuple[str, str, str]]:
    """The events that moved the order, as (event, from, to)."""
    return [(e.event, e.from_status, e.to_status) for e in order.history.all() if e.moved]


def kept(order: Order) -> list[tuple[str, str]]:
    """The events that did not move the order, as (event, status)."""
    return [(e.event, e.to_status) for e in order.history.all() if not e.moved]
