"""Store the provider's answer about a refund, and announce it."""

from uuid import UUID

from django.db import transaction

from atoll.bus import publish
from services.payments.errors import BooksDisagree
from services.payments.events import PaymentRefunded, PaymentVoided
from services.payments.models import REASON_MAX_CHARS, Payment
from services.payments.provider import CANCELLED, Cancellation

Status = Payment.Status


def settle_refund(order_id: UUID, cancellation: Cancellation | None, *, reason: str) -> Payment:
    """Settle the payment as refunded, or as refused without a charge, and announce its status.

    A settled payment does not change, and its status is announced again. ``cancellation`` is None
    when the provider was not asked, because it has no money of the order. Raises BooksDisagree if
    payments has booked a charge that the provider does not have.
    """
    with transaction.atomic():
        payment = Payment.objects.select_for_update().get(order_id=order_id)
        if cancellation is not None and payment.may_hold_money:
            _settle(payment, cancellation, reason)
        publish(_event(payment), key=str(order_id))
    return payment


def _settle(payment: Payment, cancellation: Cancellation, reason: str) -> None:
    if cancellation.refund_reference:
        payment.status = Status.REFUNDED
        payment.reason = reason[:REASON_MAX_CHARS]
    elif payment.status == Status.COMPLETED:
        raise BooksDisagree(
            f"Payment {payment.id} holds charge {payment.charge_reference}, but the provider has nothing "
            "to give back. Compare the two ledgers."
        )
    else:
        payment.status = Status.REFUSED
        payment.reason = CANCELLED
    payment.refund_reference = cancellation.refund_reference
    payment.save(update_fields=["status", "reason", "refund_reference", "updated_at"])


def _event(payment: Payment) -> PaymentRefunded | PaymentVoided:
    if payment.status != Status.REFUNDED:
        return PaymentVoided(order_id=payment.order_id, payment_id=payment.id, reason=payment.reason)
    return PaymentRefunded(
        order_id=payment.order_id,
        payment_id=payment.id,
        amount=payment.exact_amount,
        currency=payment.currency,
        reason=payment.reason,
        return_goods=payment.return_goods,
    )
