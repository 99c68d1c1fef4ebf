"""An account was deleted: its orders stay for the books, without the name and the email of their customer."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from services.orders.models import Order

NAME = "Deleted customer"


@transaction.atomic(savepoint=False)
def forget_customer(user_id: UUID, at: datetime) -> int:
    """Take name and email off every order of the user; how many rows were written.

    The id stays, since payments and stock refer to the same order. A change of the account that is older
    than ``at`` and arrives later is passed over.
    """
    orders = Order.objects.filter(user_id=user_id).exclude(customer_email=address(user_id))
    return orders.update(
        customer_name=NAME,
        customer_email=address(user_id),
        customer_name_as_of=at,
        customer_email_as_of=at,
    )


def address(user_id: UUID) -> str:
    """An address that reaches nobody, by RFC 2606."""
    return f"{user_id}@deleted.invalid"
