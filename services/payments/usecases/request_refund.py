"""Store the request for a refund before the provider is asked."""

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from services.payments.models import Payment
from services.payments.provider import CANCELLED


def request_refund(order_id: UUID) -> Payment:
    """The order's payment, which no charge may use from now on. Cancel it if it ``may_hold_money``.

    An order without a payment gets a refused one, which refuses a later charge.
    """
    with transaction.atomic():
        payment, _ = Payment.objects.locked(order_id, status=Payment.Status.REFUSED, reason=CANCELLED)
        if payment.refund_asked_at is None:
            payment.refund_asked_at = timezone.now()
            payment.save(update_fields=["refund_asked_at", "updated_at"])
    return payment
