"""Revoke refresh tokens: of one sign-in, or all of a user's."""

from enum import StrEnum

from django.db.models import QuerySet
from django.utils import timezone

from services.users.models import RefreshFamily, User
from services.users.tokens import RefreshToken


class Because(StrEnum):
    """Why a family was revoked; kept with it."""

    SIGNED_OUT = "signed out"
    REUSED = "token reused"
    PASSWORD_CHANGED = "password changed"  # noqa: S105
    INACTIVE = "account not active"
    DELETED = "account deleted"
    STAFF = "ended by staff"


def revoke(families: QuerySet[RefreshFamily], because: Because) -> int:
    """How many were still alive. Access tokens already issued live on, ten minutes at most."""
    return families.filter(revoked_at=None).update(revoked_at=timezone.now(), revoked_because=because)


def end_session(token: RefreshToken) -> None:
    """Sign out: the family of this token is revoked. Harmless when it is already."""
    revoke(RefreshFamily.objects.filter(tokens__id=token.id), Because.SIGNED_OUT)


def end_all_sessions(user: User, because: Because) -> int:
    return revoke(RefreshFamily.objects.filter(user=user), because)
