"""Names the people of the audit."""

from typing import Any

NAME_CHARS = 200


def name_of(user: Any) -> str:
    """``Ada Lovelace (ada@example.com)``. The id of the account when users told neither."""
    name, email = user.get_full_name(), user.email
    shown = f"{name} ({email})" if name and email else name or email or user.get_username()
    return str(shown)[:NAME_CHARS]
