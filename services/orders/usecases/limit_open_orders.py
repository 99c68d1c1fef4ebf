"""One customer has only so many unfinished orders at a time."""

import hashlib
from uuid import UUID

from django.conf import settings
from django.db import connection

from atoll.errors import Conflict
from services.orders.course import OPEN
from services.orders.models import Order


def limit_open_orders(user_id: UUID) -> None:
    """Make sure that one more order of the user may be open; those who place it later wait.

    Call it in the transaction that places the order: until that ends nobody else places one for
    this user, so no race gets past the bound. Raises Conflict (``too_many_open_orders``) when
    ``settings.MAX_OPEN_ORDERS`` are open already.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_lock_number(user_id)])
    most: int = settings.MAX_OPEN_ORDERS
    if Order.objects.filter(user_id=user_id, status__in=OPEN).count() < most:
        return
    raise Conflict(
        f"You have {most} orders that are not finished yet, and cannot have more. Wait until one is "
        "confirmed, or cancel one.",
        code="too_many_open_orders",
        title="Too many open orders",
        details={"most": most},
    )


def _lock_number(user_id: UUID) -> int:
    """A signed 64-bit number, as advisory locks have no names."""
    return int.from_bytes(hashlib.sha256(f"open orders of {user_id}".encode()).digest()[:8], signed=True)
