"""What payments announces, and the refund it asks of itself for staff."""

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
    """The order's money was not taken, or not kept. ``reason`` "cancelled": a refund was asked for before."""

    type: ClassVar[str] = "payment.failed"
    version: ClassVar[int] = 1

    order_id: UUID
    payment_id: UUID
    amount: Decimal
    currency: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class PaymentRefunded:
    """The whole amount went back. ``return_goods``: staff say that what was bought is back, too."""

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
    """The other answer to refund.payment: nothing was taken for the order, and nothing ever will be."""

    type: ClassVar[str] = "payment.voided"
    version: ClassVar[int] = 1

    order_id: UUID
    payment_id: UUID
    reason: str


@dataclass(frozen=True, kw_only=True)
class PaymentRefundFailed:
    """The money is still with us and cannot go back without a person's help."""

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
