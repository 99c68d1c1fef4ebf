"""The events of payments, and its command to itself for refunds by staff."""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class PaymentCompleted:
    type: ClassVar[str] = "payment.completed"
    version: ClassVar[int] = 1

    order_id: UUID
    payment_id: UUID
    amount: Decimal
    currency: str
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class PaymentFailed:
    """The charge failed or went back. ``reason`` is "cancelled" after a request for a refund."""

    type: ClassVar[str] = "payment.failed"
    version: ClassVar[int] = 1

    order_id: UUID
    payment_id: UUID
    amount: Decimal
    currency: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class PaymentRefunded:
    """The whole amount went back. ``return_goods``: staff reported that the goods came back, too."""

    type: ClassVar[str] = "payment.refunded"
    version: ClassVar[int] = 1

    order_id: UUID
    payment_id: UUID
    amount: Decimal
    currency: str
    reason: str
    return_goods: bool = False


@dataclass(frozen=True, kw_only=True)
class PaymentVoided:
    """The other positive answer to refund.payment: nothing was or will be charged for the order."""

    type: ClassVar[str] = "payment.voided"
    version: ClassVar[int] = 1

    order_id: UUID
    payment_id: UUID
    reason: str


@dataclass(frozen=True, kw_only=True)
class PaymentRefundFailed:
    """The refund failed: a person must look."""

    type: ClassVar[str] = "payment.refund_failed"
    version: ClassVar[int] = 1

    order_id: UUID
    payment_id: UUID
    amount: Decimal
    currency: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class RefundPayment:
    command: ClassVar[str] = "refund.payment"
    to: ClassVar[str] = "payment-service"
    version: ClassVar[int] = 1

    order_id: UUID
    reason: str
