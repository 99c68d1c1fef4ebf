"""Copy a changed name or email of an account to its orders."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from services.orders.models import MAX_EMAIL_LENGTH, MAX_NAME_LENGTH, Order

LENGTHS = {"name": MAX_NAME_LENGTH, "email": MAX_EMAIL_LENGTH}


@transaction.atomic(savepoint=False)
def refresh_customer(user_id: UUID, changes: Mapping[str, Any], at: datetime) -> int:
    """Write name and email to every order of the user. Returns the number of writes.

    An order keeps a value that is as new as ``at`` or newer, so messages may arrive late, twice
    or out of order. Orders store no other field of the account.
    """
    written = 0
    for field, length in LENGTHS.items():
        value = changes.get(field)
        if isinstance(value, str) and value:
            written += Order.objects.filter(
                **{"user_id": user_id, f"customer_{field}_as_of__lt": at},
            ).update(**{f"customer_{field}": value[:length], f"customer_{field}_as_of": at})
    return written
