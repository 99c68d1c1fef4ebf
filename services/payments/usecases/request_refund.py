"""Write down that an order's money is to go back, before the provider is asked."""

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from services.payments.models import Payment
from services.payments.provider import CANCELLED


def request_refund(order_id: UUID) -> Payment:
    """The order's payment, from now on not to be charged; cancel it at the provider if it ``may_hold_money``.

    An order without a payment gets a refused one, so that a charge that comes later is refused.
    """
    with transaction.atomic():
        payment, _ = Payment.objects.locked(order_id, status=Payment.Status.REFUSED, reason=CANCELLED)
        if payment.refund_asked_at is None:
            payment.refund_asked_at = timezone.now()
            payment.save(update_fields=["refund_asked_at", "updated_at"])
    return payment
