"""End one sign-in, or all sessions of a user."""

from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from atoll.identity.tokens import LEEWAY_S
from services.users.models import EmailChange, RefreshFamily, User
from services.users.revocations import revoke_account, revoke_sign_ins
from services.users.tokens import ACCESS_LIFE, RefreshToken

LEEWAY = timedelta(seconds=LEEWAY_S)


class Because(StrEnum):
    """The reason of a revocation, stored with the sign-in."""

    SIGNED_OUT = "signed out"
    REUSED = "token reused"
    PASSWORD_CHANGED = "password changed"  # noqa: S105
    INACTIVE = "account not active"
    DELETED = "account deleted"
    STAFF = "ended by staff"


def revoke(families: QuerySet[RefreshFamily], because: Because) -> int:
    """Returns how many were active. All services refuse their access tokens within seconds."""
    with transaction.atomic():
        alive = list(families.filter(revoked_at=None).order_by("id").values_list("id", flat=True))
        now = timezone.now()
        ended = RefreshFamily.objects.filter(id__in=alive, revoked_at=None).update(
            revoked_at=now, revoked_because=because
        )
        lately = RefreshFamily.objects.filter(
            Q(in_browser=True) | Q(tokens__created_at__gt=now - ACCESS_LIFE - LEEWAY), id__in=alive
        )
        revoke_sign_ins(set(lately.values_list("id", flat=True)))
        return ended


def end_session(token: RefreshToken) -> None:
    """Revoke the sign-in of this token; idempotent."""
    revoke(RefreshFamily.objects.filter(tokens__id=token.id), Because.SIGNED_OUT)


def end_sign_in(sid: UUID) -> None:
    """End a sign-in in the admins, everywhere; idempotent."""
    revoke(RefreshFamily.objects.filter(id=sid, in_browser=True), Because.SIGNED_OUT)


def end_all_sessions(user: User, because: Because) -> int:
    """End every sign-in, access token and admin session of the account.

    A change of its address that waits for its confirmation ends, too: a thief may have asked for it.
    Locks the account's row. Returns how many sign-ins were active.
    """
    with transaction.atomic():
        User.objects.select_for_update().filter(id=user.id).update(sessions_ended=F("sessions_ended") + 1)
        user.refresh_from_db(fields=["sessions_ended"])
        revoke_account(user.id, ends_sessions=True)
        EmailChange.objects.filter(user=user, made_at=None).delete()
        families = RefreshFamily.objects.filter(user=user, revoked_at=None)
        return families.update(revoked_at=timezone.now(), revoked_because=because)
