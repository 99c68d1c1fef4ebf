"""Queries about payments."""

from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet

from services.payments.errors import PaymentNotFound
from services.payments.models import Payment, SandboxCharge


def payments_of(owner: UUID | None) -> QuerySet[Payment]:
    """The payments of one user, or of all users for None; newest first."""
    return Payment.objects.all() if owner is None else Payment.objects.filter(user_id=owner)


def find_payment(payment_id: UUID, *, owner: UUID | None) -> Payment:
    """Raises PaymentNotFound, also for a payment of another user."""
    payment = payments_of(owner).filter(id=payment_id).first()
    if payment is None:
        raise PaymentNotFound(f"There is no payment {payment_id} that you can see.")
    return payment


def charges_of(order_id: UUID) -> QuerySet[SandboxCharge]:
    """The charges of an order at the sandbox provider. A second captured charge is an error."""
    return SandboxCharge.objects.filter(memo=str(order_id)).select_related("refund")


def count_unsettled() -> int:
    """The number of payments without a known outcome at the provider."""
    return Payment.objects.filter(status=Payment.Status.REQUESTED).count()


def count_orders_charged_twice() -> int:
    """The number of orders with more than one captured charge that was not refunded. It must be 0."""
    return _orders_charged_twice().count()


def charges_of_orders_charged_twice() -> QuerySet[SandboxCharge]:
    """The captured charges without a refund of the orders that have more than one."""
    return _captured().filter(memo__in=_orders_charged_twice().values("memo"))


def _captured() -> QuerySet[SandboxCharge]:
    return SandboxCharge.objects.filter(state=SandboxCharge.State.CAPTURED, refund__isnull=True)


def _orders_charged_twice() -> QuerySet[SandboxCharge, Any]:
    return _captured().values("memo").annotate(charges=Count("id")).filter(charges__gt=1)
