"""An account changed: its orders show the new name and email."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from services.orders.models import MAX_EMAIL_LENGTH, MAX_NAME_LENGTH, Order

LENGTHS = {"name": MAX_NAME_LENGTH, "email": MAX_EMAIL_LENGTH}


@transaction.atomic(savepoint=False)
def refresh_customer(user_id: UUID, changes: Mapping[str, Any], at: datetime) -> int:
    """Show the new values on every order of the user; how many rows were written.

    An order that already shows a value from ``at`` or later keeps it, so updates may
    arrive late, twice or out of order. Changes other than name and email are none of ours.
    """
    written = 0
    for field, length in LENGTHS.items():
        value = changes.get(field)
        if isinstance(value, str) and value:
            written += Order.objects.filter(
                **{"user_id": user_id, f"customer_{field}_as_of__lt": at},
            ).update(**{f"customer_{field}": value[:length], f"customer_{field}_as_of": at})
    return written
