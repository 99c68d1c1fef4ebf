"""Reading accounts."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from atoll.identity.roles import current_roles
from services.users.email_changes import CONFIRM_WITHIN, pending_changes
from services.users.errors import UserNotFound
from services.users.models import RefreshFamily, User
from services.users.statements import account_row, own_account_row


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
    return _as_shown(account_row(user_id))


def own_account_as_shown(user_id: UUID | str) -> dict[str, Any]:
    """The account with ``pending_email``, which the API shows to its owner alone. Raises NotFound."""
    return _as_shown(own_account_row(user_id, asked_after=timezone.now() - CONFIRM_WITHIN))


def _as_shown(row: dict[str, Any] | None) -> dict[str, Any]:
    if row is None:
        raise UserNotFound()
    return row | {"roles": sorted(current_roles(row["roles"]))}


def pending_email(user_id: UUID | str) -> str | None:
    """The address that the owner asked for and has not confirmed."""
    return pending_changes().filter(user_id=user_id).values_list("email", flat=True).first()


def active_accounts() -> QuerySet[User]:
    return accounts().filter(is_active=True)


def live_sign_in(sid: UUID) -> RefreshFamily | None:
    """A sign-in in the admins that has neither ended nor expired, of an active account with a role."""
    found = (
        RefreshFamily.objects.select_related("user")
        .filter(
            id=sid,
            in_browser=True,
            revoked_at=None,
            expires_at__gt=timezone.now(),
            user__is_active=True,
        )
        .first()
    )
    return found if found is not None and found.user.is_staff else None
