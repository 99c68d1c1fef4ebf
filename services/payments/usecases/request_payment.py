"""Store the payment of an order before the provider is asked for the charge."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction

from atoll import money
from services.payments.errors import InvalidPayment, TermsDiffer
from services.payments.models import Payment
from services.payments.statements import insert_payment

METHOD_MAX_CHARS = 64


def request_payment(order_id: UUID, *, user_id: UUID, amount: Decimal, currency: str, method: str) -> Payment:
    """The order's one payment, new or existing. Charge it only if it ``may_be_charged``.

    Raises InvalidPayment for impossible terms, and TermsDiffer if the order's payment has others.
    """
    try:
        amount = money.check(amount, currency)
    except (money.UnknownCurrency, money.UnfitAmount) as unfit:
        raise InvalidPayment(str(unfit)) from None
    if amount == 0:
        raise InvalidPayment("Nothing is to be charged: the amount is 0.")
    if not 0 < len(method) <= METHOD_MAX_CHARS:
        raise InvalidPayment(f"A payment method has 1 to {METHOD_MAX_CHARS} characters.")
    terms = {"user_id": user_id, "amount": amount, "currency": currency, "method": method}
    new = Payment(order_id=order_id, **terms)
    if insert_payment(new):
        return new
    return _existing(order_id, terms)


def _existing(order_id: UUID, terms: dict[str, Any]) -> Payment:
    with transaction.atomic():
        payment = Payment.objects.select_for_update().get(order_id=order_id)
        if payment.amount is None:
            # A refund arrived first; its command names only the order.
            for name, value in terms.items():
                setattr(payment, name, value)
            payment.save(update_fields=[*terms, "updated_at"])
        elif any(getattr(payment, name) != value for name, value in terms.items()):
            raise TermsDiffer(
                f"Order {order_id} was to pay {payment.exact_amount} {payment.currency} by {payment.method}; "
                f"now {terms['amount']} {terms['currency']} by {terms['method']} is asked for."
            )
    return payment
