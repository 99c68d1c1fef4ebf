"""Reading accounts."""

from uuid import UUID

from django.db.models import QuerySet

from services.users.models import User
from services.users.usecases.update_user import user_not_found


def accounts() -> QuerySet[User]:
    """Every account that is not deleted."""
    return User.objects.filter(deleted_at=None)


def account(user_id: UUID) -> User:
    """Raises NotFound."""
    user = accounts().filter(id=user_id).first()
    if user is None:
        raise user_not_found()
    return user


def active_accounts() -> QuerySet[User]:
    return accounts().filter(is_active=True)
