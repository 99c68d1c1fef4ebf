"""The SQL of the read that other services make for every order."""

from typing import Any
from uuid import UUID

from django.db import connection

SHOWN = ("id", "email", "name", "roles", "is_active", "created_at", "updated_at")

# The columns are those of SHOWN.
ACCOUNT_AS_SHOWN = """
SELECT id, email, name, roles, is_active, created_at, updated_at
FROM users_user WHERE id = %s AND deleted_at IS NULL
"""


def account_row(user_id: UUID | str) -> dict[str, Any] | None:
    """The columns of an account that is not deleted; None without one."""
    with connection.cursor() as cursor:
        cursor.execute(ACCOUNT_AS_SHOWN, [user_id])
        row = cursor.fetchone()
    return None if row is None else dict(zip(SHOWN, row, strict=True))
