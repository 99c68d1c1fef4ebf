"""Limit the number of open orders of one customer."""

import hashlib
from uuid import UUID

from django.conf import settings
from django.db import connection

from atoll.errors import Conflict

# Two statements in one round trip. The second one has a newer snapshot than the lock, so it counts the orders
# of the transactions that this one waited for.
COUNT = """
SELECT pg_advisory_xact_lock(%(lock)s);
SELECT count(*) FROM orders_order WHERE user_id = %(user_id)s AND finished_at IS NULL
"""


def limit_open_orders(user_id: UUID) -> None:
    """Raise Conflict (``too_many_open_orders``) if ``settings.MAX_OPEN_ORDERS`` are open.

    Call it in the transaction that places the order. An advisory lock makes other transactions
    that place an order of the same user wait until this one ends, so no race exceeds the limit.
    """
    most: int = settings.MAX_OPEN_ORDERS
    with connection.cursor() as cursor:
        cursor.execute(COUNT, {"lock": _lock_number(user_id), "user_id": user_id})
        [number] = cursor.fetchone()
    if number < most:
        return
    raise Conflict(
        f"You have {most} orders that are not finished yet, and cannot have more. Wait until one is "
        "confirmed, or cancel one.",
        code="too_many_open_orders",
        title="Too many open orders",
        details={"most": most},
    )


def _lock_number(user_id: UUID) -> int:
    """A signed 64-bit number: PostgreSQL identifies an advisory lock by a number."""
    return int.from_bytes(hashlib.sha256(f"open orders of {user_id}".encode()).digest()[:8], signed=True)
