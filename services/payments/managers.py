"""The lock of an order's payment, the only lock of this service."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import models

if TYPE_CHECKING:
    from services.payments.models import Payment


class PaymentManager(models.Manager["Payment"]):
    def locked(self, order_id: UUID, **if_new: Any) -> tuple["Payment", bool]:
        """The order's payment, locked until the transaction ends, and whether it is new.

        If two transactions find none at the same time, one makes it and the other waits for it.
        """
        return self.select_for_update().get_or_create(order_id=order_id, defaults=if_new)
