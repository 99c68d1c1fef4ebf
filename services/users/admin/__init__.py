"""The admin of users; it changes accounts by the use cases of the API."""

from atoll.admin import register_tile
from services.users.admin import accounts, clients, credentials, keys, sessions
from services.users.selectors import active_accounts

__all__ = ["accounts", "clients", "credentials", "keys", "sessions"]

register_tile(
    "Active accounts",
    active_accounts().count,
    url_name="admin:users_user_changelist",
    query="is_active__exact=1",
)
