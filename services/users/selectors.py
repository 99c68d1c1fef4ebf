"""Reading accounts."""

from uuid import UUID

from django.db.models import QuerySet

from services.users.errors import UserNotFound
from services.users.models import User


def accounts() -> QuerySet[User]:
    """Every account that is not deleted."""
    return User.objects.filter(deleted_at=None)


def account(user_id: UUID) -> User:
    """Raises NotFound."""
    user = accounts().filter(id=user_id).first()
    if user is None:
        raise UserNotFound()
    return user


def active_accounts() -> QuerySet[User]:
    return accounts().filter(is_active=True)
