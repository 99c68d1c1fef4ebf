"""Store the provider's answer about a charge, and announce it."""

from uuid import UUID

from django.db import transaction

from atoll.bus import publish
from services.payments.events import PaymentCompleted, PaymentFailed
from services.payments.models import REASON_MAX_CHARS, Payment
from services.payments.provider import CANCELLED, Charge, Outcome
from services.payments.statements import settle_requested

Status = Payment.Status
_STATUS = {
    Outcome.CAPTURED: Status.COMPLETED,
    Outcome.DECLINED: Status.FAILED,
    Outcome.CANCELLED: Status.REFUSED,
}


def settle_payment(order_id: UUID, charge: Charge | None) -> Payment:
    """Settle a requested payment by the provider's answer, and announce the payment's status.

    A settled payment does not change, and its status is announced again. ``charge`` is None when the
    provider was not asked, because the payment must not be charged.
    """
    with transaction.atomic(savepoint=False):
        payment = _settled(order_id, charge) if charge else None
        if payment is None:
            payment = Payment.objects.select_for_update().get(order_id=order_id)
        publish(_event(payment), key=str(order_id))
    return payment


def _settled(order_id: UUID, charge: Charge) -> Payment | None:
    reason = charge.reason[:REASON_MAX_CHARS]
    return settle_requested(order_id, _STATUS[charge.outcome], reference=charge.reference, reason=reason)


def _event(payment: Payment) -> PaymentCompleted | PaymentFailed:
    if payment.status == Status.COMPLETED:
        return PaymentCompleted(
            order_id=payment.order_id,
            payment_id=payment.id,
            amount=payment.exact_amount,
            currency=payment.currency,
        )
    return PaymentFailed(
        order_id=payment.order_id,
        payment_id=payment.id,
        amount=payment.exact_amount,
        currency=payment.currency,
        reason=payment.reason if payment.status == Status.FAILED else CANCELLED,
    )
