"""Reading payments."""

from uuid import UUID

from django.db.models import Count, QuerySet

from services.payments.errors import PaymentNotFound
from services.payments.models import Payment, SandboxCharge


def payments_of(owner: UUID | None) -> QuerySet[Payment]:
    """The owner's payments, newest first; everybody's for None."""
    return Payment.objects.all() if owner is None else Payment.objects.filter(user_id=owner)


def find_payment(payment_id: UUID, *, owner: UUID | None) -> Payment:
    """Raises PaymentNotFound, for somebody else's payment too."""
    payment = payments_of(owner).filter(id=payment_id).first()
    if payment is None:
        raise PaymentNotFound(f"There is no payment {payment_id} that you can see.")
    return payment


def charges_of(order_id: UUID) -> QuerySet[SandboxCharge]:
    """What the sandbox provider's books say about an order; more than one captured charge is one too many."""
    return SandboxCharge.objects.filter(memo=str(order_id)).select_related("refund")


def count_unsettled() -> int:
    """Payments whose outcome at the provider is not known yet."""
    return Payment.objects.filter(status=Payment.Status.REQUESTED).count()


def count_orders_charged_twice() -> int:
    """Orders that the provider holds more than one charge of, refunds aside. Must be 0."""
    held = SandboxCharge.objects.filter(state=SandboxCharge.State.CAPTURED, refund__isnull=True)
    return held.values("memo").annotate(charges=Count("id")).filter(charges__gt=1).count()
