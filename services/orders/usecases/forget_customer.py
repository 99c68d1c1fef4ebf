"""Erase name and email of a deleted account from its orders; the orders stay for accounting."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from services.orders.models import Order

NAME = "Deleted customer"


@transaction.atomic(savepoint=False)
def forget_customer(user_id: UUID, at: datetime) -> int:
    """Erase name and email from every order of the user. Returns the number of changed orders.

    The user's id stays, because payments and stock refer to the same order. ``refresh_customer``
    ignores changes of the account from before ``at`` that arrive later.
    """
    orders = Order.objects.filter(user_id=user_id).exclude(customer_email=address(user_id))
    return orders.update(
        customer_name=NAME,
        customer_email=address(user_id),
        customer_name_as_of=at,
        customer_email_as_of=at,
    )


def address(user_id: UUID) -> str:
    """An address in a domain that RFC 2606 reserves; it has no mailbox."""
    return f"{user_id}@deleted.invalid"
