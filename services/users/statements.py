"""The SQL of the read that other services make for every order, and of the owner's own."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

SHOWN = ("id", "email", "name", "roles", "is_active", "created_at", "updated_at")

# The columns are those of SHOWN.
ACCOUNT_AS_SHOWN = """
SELECT id, email, name, roles, is_active, created_at, updated_at
FROM users_user WHERE id = %s AND deleted_at IS NULL
"""

# The columns are those of SHOWN and pending_email.
OWN_ACCOUNT_AS_SHOWN = """
SELECT id, email, name, roles, is_active, created_at, updated_at,
    (SELECT asked.email FROM users_emailchange asked
     WHERE asked.user_id = users_user.id AND asked.made_at IS NULL AND asked.created_at > %s)
FROM users_user WHERE id = %s AND deleted_at IS NULL
"""


def account_row(user_id: UUID | str) -> dict[str, Any] | None:
    """The columns of an account that is not deleted; None without one."""
    return _row(ACCOUNT_AS_SHOWN, SHOWN, user_id)


def own_account_row(user_id: UUID | str, *, asked_after: datetime) -> dict[str, Any] | None:
    """The same with ``pending_email``, the address that the owner asked for since ``asked_after``."""
    return _row(OWN_ACCOUNT_AS_SHOWN, (*SHOWN, "pending_email"), asked_after, user_id)


def _row(sql: str, columns: tuple[str, ...], *values: UUID | str | datetime) -> dict[str, Any] | None:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        row = cursor.fetchone()
    return None if row is None else dict(zip(columns, row, strict=True))
