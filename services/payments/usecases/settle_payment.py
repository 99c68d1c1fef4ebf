"""Store the provider's answer about a charge, and announce it."""

from uuid import UUID

from django.db import transaction

from atoll.bus import publish
from services.payments.events import PaymentCompleted, PaymentFailed
from services.payments.models import REASON_MAX_CHARS, Payment
from services.payments.provider import CANCELLED, Charge, Outcome

Status = Payment.Status


def settle_payment(order_id: UUID, charge: Charge | None) -> Payment:
    """Settle a requested payment by the provider's answer, and announce the payment's status.

    A settled payment does not change, and its status is announced again. ``charge`` is None when the
    provider was not asked, because the payment must not be charged.
    """
    with transaction.atomic():
        payment = Payment.objects.select_for_update().get(order_id=order_id)
        if charge is not None and payment.status == Status.REQUESTED:
            _settle(payment, charge)
        publish(_event(payment), key=str(order_id))
    return payment


def _settle(payment: Payment, charge: Charge) -> None:
    match charge.outcome:
        case Outcome.CAPTURED:
            payment.status = Status.COMPLETED
        case Outcome.DECLINED:
            payment.status = Status.FAILED
        case Outcome.CANCELLED:
            payment.status = Status.REFUSED
    payment.charge_reference = charge.reference
    payment.reason = charge.reason[:REASON_MAX_CHARS]
    payment.save(update_fields=["status", "charge_reference", "reason", "updated_at"])


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
