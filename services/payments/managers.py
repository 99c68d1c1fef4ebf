"""The lock of an order's payment; the only lock that this service takes."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import models

if TYPE_CHECKING:
    from services.payments.models import Payment


class PaymentManager(models.Manager["Payment"]):
    def locked(self, order_id: UUID, **if_new: Any) -> tuple["Payment", bool]:
        """The order's payment, locked until the transaction ends, and whether it is new.

        Two transactions that both find none: one makes it, the other waits and gets that one.
        """
        return self.select_for_update().get_or_create(order_id=order_id, defaults=if_new)
