"""The SQL of a payment's course: one statement for the request, and one for the answer of the provider."""

from uuid import UUID

from django.db import connection
from django.utils import timezone

from services.payments.models import Payment

# Another transaction may be making the order's payment: then this one waits for it.
REQUEST = """
INSERT INTO payments_payment
    (id, order_id, user_id, amount, currency, method, status, reason, charge_reference, refund_reference,
     return_goods, created_at, updated_at)
VALUES
    (%(id)s, %(order_id)s, %(user_id)s, %(amount)s, %(currency)s, %(method)s, %(status)s, '', '', '',
     FALSE, %(created_at)s, %(created_at)s)
ON CONFLICT (order_id) DO NOTHING
"""

SETTLE = """
UPDATE payments_payment
SET status = %(status)s, charge_reference = %(reference)s, reason = %(reason)s, updated_at = %(now)s
WHERE order_id = %(order_id)s AND status = 'requested'
RETURNING *
"""


def insert_payment(payment: Payment) -> bool:
    """Store a requested payment, unless the order has a payment. Returns whether it was stored."""
    with connection.cursor() as cursor:
        cursor.execute(REQUEST, vars(payment))
        return bool(cursor.rowcount)


def settle_requested(
    order_id: UUID, status: Payment.Status, *, reference: str, reason: str
) -> Payment | None:
    """The order's payment with its new status, locked; None when it is not requested any more."""
    values = {
        "order_id": order_id,
        "status": status,
        "reference": reference,
        "reason": reason,
        "now": timezone.now(),
    }
    return next(iter(Payment.objects.raw(SETTLE, values)), None)
