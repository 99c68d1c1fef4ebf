"""Announce that a refund failed, so that a person looks."""

from django.db import transaction

from atoll.bus import publish
from services.payments.events import PaymentRefundFailed
from services.payments.models import Payment


def report_failed_refund(payment: Payment, *, reason: str) -> None:
    """Announce payment.refund_failed in a transaction of its own, which the failure does not roll back.

    ``reason`` is ``ledgers_disagree`` or ``provider_unavailable``. The payment does not change, and
    the refund may still succeed later.
    """
    with transaction.atomic():
        publish(
            PaymentRefundFailed(
                order_id=payment.order_id,
                payment_id=payment.id,
                amount=payment.exact_amount,
                currency=payment.currency,
                reason=reason,
            ),
            key=str(payment.order_id),
        )
