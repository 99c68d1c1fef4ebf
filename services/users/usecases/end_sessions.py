"""Revoke refresh tokens: of one sign-in, or all of a user's."""

from datetime import timedelta
from enum import StrEnum

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from atoll.identity.tokens import LEEWAY_S
from services.users.models import RefreshFamily, User
from services.users.revocations import revoke_account, revoke_sign_ins
from services.users.tokens import ACCESS_LIFE, RefreshToken

LEEWAY = timedelta(seconds=LEEWAY_S)


class Because(StrEnum):
    """Why a family was revoked; kept with it."""

    SIGNED_OUT = "signed out"
    REUSED = "token reused"
    PASSWORD_CHANGED = "password changed"  # noqa: S105
    INACTIVE = "account not active"
    DELETED = "account deleted"
    STAFF = "ended by staff"


def revoke(families: QuerySet[RefreshFamily], because: Because) -> int:
    """How many were still alive. Their access tokens are refused everywhere within seconds."""
    with transaction.atomic():
        alive = list(families.filter(revoked_at=None).order_by("id").values_list("id", flat=True))
        now = timezone.now()
        ended = RefreshFamily.objects.filter(id__in=alive, revoked_at=None).update(
            revoked_at=now, revoked_because=because
        )
        lately = RefreshFamily.objects.filter(id__in=alive, tokens__created_at__gt=now - ACCESS_LIFE - LEEWAY)
        revoke_sign_ins(set(lately.values_list("id", flat=True)))
        return ended


def end_session(token: RefreshToken) -> None:
    """Sign out: the family of this token is revoked. Harmless when it is already."""
    revoke(RefreshFamily.objects.filter(tokens__id=token.id), Because.SIGNED_OUT)


def end_all_sessions(user: User, because: Because) -> int:
    """Every sign-in, access token and admin session of the account; how many sign-ins were alive.

    Takes the account's row. Inside a caller's transaction the caller has it already.
    """
    with transaction.atomic():
        User.objects.select_for_update().filter(id=user.id).update(sessions_ended=F("sessions_ended") + 1)
        user.refresh_from_db(fields=["sessions_ended"])
        revoke_account(user.id, ends_sessions=True)
        families = RefreshFamily.objects.filter(user=user, revoked_at=None)
        return families.update(revoked_at=timezone.now(), revoked_because=because)
