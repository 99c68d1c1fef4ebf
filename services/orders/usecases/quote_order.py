"""Read the customer from users and the prices from products; nothing is stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from atoll import money
from atoll.errors import Conflict, InvalidInput, NotAllowed, Unprocessable
from services.orders.clients import Customer, Product, fetch_customer_and_products
from services.orders.models import MAX_LINES, MAX_QUANTITY


@dataclass(frozen=True)
class RequestedItem:
    product_id: UUID
    quantity: int


@dataclass(frozen=True)
class QuotedLine:
    product: Product
    quantity: int


@dataclass(frozen=True)
class Quote:
    """The content of an order at today's prices of the catalogue."""

    customer: Customer
    lines: tuple[QuotedLine, ...]
    total: Decimal
    currency: str


@dataclass(frozen=True)
class Expected:
    """The total and the currency that the client showed to the customer; None: not sent."""

    total: Decimal | None = None
    currency: str | None = None


class PriceChanged(Conflict):
    """The total differs from the total that the customer saw. ``details`` has the new quote."""

    title = "Price changed"
    default_code = "price_changed"


def require_expected(quote: Quote, expected: Expected) -> None:
    """Raise PriceChanged when the customer expects another total or currency."""
    same_total = expected.total is None or expected.total == quote.total
    same_currency = expected.currency is None or expected.currency == quote.currency
    if same_total and same_currency:
        return
    raise PriceChanged(
        f"The order comes to {quote.total} {quote.currency} now. Ask the customer, then order again with "
        "that as expectedTotal.",
        details={
            "total": quote.total,
            "currency": quote.currency,
            "items": [
                {
                    "productId": line.product.id,
                    "name": line.product.name,
                    "quantity": line.quantity,
                    "unitPrice": line.product.price,
                }
                for line in quote.lines
            ],
        },
    )


def no_account() -> NotAllowed:
    return NotAllowed(
        "This account cannot place orders: it is closed or inactive.",
        code="account_inactive",
        title="Account inactive",
    )


def quote_order(user_id: UUID, items: Sequence[RequestedItem]) -> Quote:
    """The items at today's prices; several items of one product become one line.

    Call it outside of transactions, because it calls two services. Raises InvalidInput
    (no line, too many lines, a quantity out of bounds), NotAllowed for an account that is
    deleted or inactive, Conflict (``total_too_large``) above the largest amount of the
    currency, Unprocessable for a product that is not for sale and for more than one
    currency, Unavailable when a service does not answer.
    """
    wanted = _merge(items)
    customer, products = fetch_customer_and_products(user_id, list(wanted))
    if customer is None or not customer.is_active:
        raise no_account()
    missing = [str(wish) for wish in wanted if wish not in products or not products[wish].is_active]
    if missing:
        raise Unprocessable(
            "The catalogue does not sell every product of this order. Remove the ones listed in details.",
            code="product_not_found",
            title="Product not found",
            details={"productIds": missing},
        )
    lines = tuple(QuotedLine(products[wish], quantity) for wish, quantity in wanted.items())
    currencies = sorted({line.product.currency for line in lines})
    if len(currencies) > 1:
        raise Unprocessable(
            f"One order has one currency, these products have {len(currencies)}: order them apart.",
            code="mixed_currencies",
            title="Mixed currencies",
            details={"currencies": currencies},
        )
    return Quote(customer, lines, _total(lines, currencies[0]), currencies[0])


def _total(lines: Sequence[QuotedLine], currency: str) -> Decimal:
    total = sum((line.quantity * line.product.price for line in lines), Decimal(0))
    most = money.largest(currency)
    if total > most:
        raise Conflict(
            f"An order comes to at most {most} {currency}; this one comes to {total}. Order less at once.",
            code="total_too_large",
            title="Total too large",
            details={"total": total, "largest": most, "currency": currency},
        )
    return total


def _merge(items: Sequence[RequestedItem]) -> dict[UUID, int]:
    if not 1 <= len(items) <= MAX_LINES:
        raise InvalidInput(
            f"An order has 1 to {MAX_LINES} lines, this one has {len(items)}.", code="invalid_items"
        )
    wanted: dict[UUID, int] = {}
    for item in items:
        quantity = wanted.get(item.product_id, 0) + item.quantity
        if item.quantity < 1 or quantity > MAX_QUANTITY:
            raise InvalidInput(
                f"The quantity of a product is 1 to {MAX_QUANTITY}.",
                code="invalid_quantity",
                details={"productId": str(item.product_id), "quantity": quantity},
            )
        wanted[item.product_id] = quantity
    return wanted
