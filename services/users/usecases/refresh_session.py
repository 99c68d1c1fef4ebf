"""Exchange a refresh token for the next pair of tokens."""

import logging
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from atoll.identity import InvalidToken
from services.users import models
from services.users.tokens import REFRESH_LIFE, RefreshToken
from services.users.usecases.end_sessions import Because, revoke
from services.users.usecases.start_session import TokenPair, issue_pair

log = logging.getLogger(__name__)


def refresh_session(token: RefreshToken) -> TokenPair:
    """The next pair of tokens. The given token is used up.

    A second use of a token means that somebody copied it, maybe a thief. So it revokes the whole
    sign-in. Within ``REFRESH_GRACE_S`` of the first use it counts as another tab of the same
    browser and gets a pair of its own in the same sign-in. Raises InvalidToken for a token that
    is unknown, used or revoked, and for an inactive account.
    """
    pair = _exchange(token)
    if pair is None:
        raise InvalidToken("The refresh token was used before or revoked: sign in again.")
    return pair


def _exchange(token: RefreshToken) -> TokenPair | None:
    """None for a refusal: an exception would roll back the revocation."""
    with transaction.atomic():
        # Every change of an account locks its row first, so the roles read here are not about to change.
        models.User.objects.select_for_update(no_key=True).filter(id=token.user_id).first()
        family = (
            models.RefreshFamily.objects.select_for_update(of=("self",))
            .select_related("user")
            .filter(tokens__id=token.id)
            .first()
        )
        if family is None or family.revoked_at is not None:
            return None
        row = family.tokens.get(id=token.id)
        now = timezone.now()
        # The grace starts at the first use, so a repeat does not extend it.
        if row.used_at is not None and now - row.used_at > timedelta(seconds=settings.REFRESH_GRACE_S):
            log.warning("refresh token reused: user %s, family %s is revoked", family.user_id, family.id)
            revoke(models.RefreshFamily.objects.filter(id=family.id), Because.REUSED)
            return None
        if not family.user.is_active:
            revoke(models.RefreshFamily.objects.filter(id=family.id), Because.INACTIVE)
            return None
        if row.used_at is None:
            row.used_at = now
            row.save(update_fields=["used_at"])
        family.expires_at = now + REFRESH_LIFE
        family.save(update_fields=["expires_at"])
        return issue_pair(family.user, family)
