"""Staff start the refund of a payment."""

from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from atoll.bus import schedule
from services.payments.errors import InvalidPayment, NotRefundable, PaymentNotFound
from services.payments.events import RefundPayment
from services.payments.models import REASON_MAX_CHARS, Payment


def refund_by_staff(payment_id: UUID, *, reason: str, return_goods: bool = False) -> Payment:
    """Send the command for the refund of a completed payment to this service's worker.

    ``return_goods``: the goods came back and go into the stock again. Raises PaymentNotFound,
    InvalidPayment for a missing reason, and NotRefundable without money or after an earlier request.
    """
    reason = reason.strip()
    if not 0 < len(reason) <= REASON_MAX_CHARS:
        raise InvalidPayment(f"Give a reason of 1 to {REASON_MAX_CHARS} characters.")
    with transaction.atomic():
        payment = Payment.objects.select_for_update().filter(id=payment_id).first()
        if payment is None:
            raise PaymentNotFound(f"There is no payment {payment_id}.")
        if not payment.is_refundable:
            asked = " and its refund was asked for" if payment.refund_asked_at else ""
            raise NotRefundable(
                f"Payment {payment_id} is {payment.status}{asked}; only a completed one has money to refund."
            )
        payment.refund_asked_at = timezone.now()
        payment.return_goods = return_goods
        payment.save(update_fields=["refund_asked_at", "return_goods", "updated_at"])
        schedule(RefundPayment(order_id=payment.order_id, reason=reason), after=timedelta(0))
    return payment
