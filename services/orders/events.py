"""The events and commands that orders sends and receives.

On the wire the names are camelCase. Orders ignores unknown fields of messages from others.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar, Literal
from uuid import UUID


@dataclass(frozen=True)
class OrderedItem:
    product_id: UUID
    name: str
    quantity: int
    unit_price: Decimal


@dataclass(frozen=True)
class OrderCreated:
    type: ClassVar[str] = "order.created"
    version: ClassVar[int] = 1
    order_id: UUID
    user_id: UUID
    items: list[OrderedItem]
    total: Decimal
    currency: str


@dataclass(frozen=True)
class OrderConfirmed:
    type: ClassVar[str] = "order.confirmed"
    version: ClassVar[int] = 1
    order_id: UUID
    user_id: UUID
    total: Decimal
    currency: str
    reason: str | None = None


@dataclass(frozen=True)
class OrderCancelled:
    type: ClassVar[str] = "order.cancelled"
    version: ClassVar[int] = 1
    order_id: UUID
    user_id: UUID
    total: Decimal
    currency: str
    reason: str | None


@dataclass(frozen=True)
class OrderRefunded:
    """Payments refunded a confirmed order; its goods stay sold until staff report their return."""

    type: ClassVar[str] = "order.refunded"
    version: ClassVar[int] = 1
    order_id: UUID
    user_id: UUID
    total: Decimal
    currency: str
    reason: str


@dataclass(frozen=True)
class StockItem:
    product_id: UUID
    quantity: int


@dataclass(frozen=True)
class ReserveStock:
    command: ClassVar[str] = "reserve.stock"
    to: ClassVar[str] = "product-service"
    version: ClassVar[int] = 1
    order_id: UUID
    items: list[StockItem]


@dataclass(frozen=True)
class ReleaseStock:
    """Ends a reservation, also a reservation that is still under way."""

    command: ClassVar[str] = "release.stock"
    to: ClassVar[str] = "product-service"
    version: ClassVar[int] = 1
    order_id: UUID
    items: list[StockItem]


@dataclass(frozen=True)
class ReturnStock:
    """Adds the goods of a refunded order to the stock again."""

    command: ClassVar[str] = "return.stock"
    to: ClassVar[str] = "product-service"
    version: ClassVar[int] = 1
    order_id: UUID
    items: list[StockItem]


@dataclass(frozen=True)
class CommitStock:
    """Turns a reservation into a sale."""

    command: ClassVar[str] = "commit.stock"
    to: ClassVar[str] = "product-service"
    version: ClassVar[int] = 1
    order_id: UUID
    items: list[StockItem]


@dataclass(frozen=True)
class ProcessPayment:
    command: ClassVar[str] = "process.payment"
    to: ClassVar[str] = "payment-service"
    version: ClassVar[int] = 1
    order_id: UUID
    amount: Decimal
    currency: str
    user_id: UUID
    payment_method: str


@dataclass(frozen=True)
class RefundPayment:
    """Refunds a charge, and prevents a charge that has not happened yet."""

    command: ClassVar[str] = "refund.payment"
    to: ClassVar[str] = "payment-service"
    version: ClassVar[int] = 1
    order_id: UUID
    reason: str


@dataclass(frozen=True)
class ExpireOrder:
    """A timer that orders sends to itself: the deadline of an order."""

    command: ClassVar[str] = "expire.order"
    to: ClassVar[str] = "order-service"
    version: ClassVar[int] = 1
    order_id: UUID


CompensatingCommand = Literal["release.stock", "refund.payment", "return.stock"]


@dataclass(frozen=True)
class ExpireCompensation:
    """A timer that orders sends to itself: the deadline of a compensation.

    ``ask`` is the number of the request that started it; each request has its own timer.
    """

    command: ClassVar[str] = "expire.compensation"
    to: ClassVar[str] = "order-service"
    version: ClassVar[int] = 2
    order_id: UUID
    compensation: CompensatingCommand
    ask: int


@dataclass(frozen=True)
class Shortage:
    product_id: UUID
    requested: int
    available: int


@dataclass(frozen=True)
class StockReserved:
    order_id: UUID


@dataclass(frozen=True)
class StockRejected:
    order_id: UUID
    shortages: list[Shortage] = field(default_factory=list)


@dataclass(frozen=True)
class StockReleased:
    order_id: UUID


@dataclass(frozen=True)
class StockReleaseFailed:
    order_id: UUID
    reason: str = ""


@dataclass(frozen=True)
class StockReturned:
    order_id: UUID


@dataclass(frozen=True)
class StockReturnFailed:
    order_id: UUID
    reason: str = ""


@dataclass(frozen=True)
class PaymentOutcome:
    """The fields that orders reads of the events of payments."""

    order_id: UUID
    payment_id: UUID | None = None
    reason: str | None = None


@dataclass(frozen=True)
class PaymentRefunded:
    """``return_goods``: staff refunded the payment and reported that the goods came back."""

    order_id: UUID
    reason: str | None = None
    return_goods: bool = False


@dataclass(frozen=True)
class UserUpdated:
    personal: ClassVar[tuple[str, ...]] = ("changes",)
    user_id: UUID
    changes: dict[str, Any]


@dataclass(frozen=True)
class UserDeleted:
    user_id: UUID
