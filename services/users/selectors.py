"""Reading accounts."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from atoll.identity.roles import current_roles
from services.users.errors import UserNotFound
from services.users.models import User
from services.users.statements import account_row


def accounts() -> QuerySet[User]:
    """Every account that is not deleted."""
    return User.objects.filter(deleted_at=None)


def account(user_id: UUID) -> User:
    """Raises NotFound."""
    user = accounts().filter(id=user_id).first()
    if user is None:
        raise UserNotFound()
    return user


def account_as_shown(user_id: UUID | str) -> dict[str, Any]:
    """The account with the fields of the API, in their order. Raises NotFound."""
    shown = account_row(user_id)
    if shown is None:
        raise UserNotFound()
    return shown | {"roles": sorted(current_roles(shown["roles"]))}


def active_accounts() -> QuerySet[User]:
    return accounts().filter(is_active=True)
