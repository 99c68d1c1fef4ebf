"""Reading payments."""

from uuid import UUID

from django.db.models import QuerySet

from services.payments.errors import PaymentNotFound
from services.payments.models import Payment


def payments_of(owner: UUID | None) -> QuerySet[Payment]:
    """The owner's payments, newest first; everybody's for None."""
    return Payment.objects.all() if owner is None else Payment.objects.filter(user_id=owner)


def find_payment(payment_id: UUID, *, owner: UUID | None) -> Payment:
    """Raises PaymentNotFound, for somebody else's payment too."""
    payment = payments_of(owner).filter(id=payment_id).first()
    if payment is None:
        raise PaymentNotFound(f"There is no payment {payment_id} that you can see.")
    return payment
