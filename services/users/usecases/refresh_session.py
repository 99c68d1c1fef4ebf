"""Exchange a refresh token for the next pair."""

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
    """The next pair; the given token is used up.

    A token that comes a second time was copied, by the user or by a thief, and
    there is no telling who: the whole family is revoked, and both sign in
    again. Within ``REFRESH_GRACE_S`` of its first use it is taken for another tab of
    the same browser, which gets a pair of its own: both pairs go on in the same family.
    Raises InvalidToken when the token is unknown, used or revoked, or the account is
    not active.
    """
    pair = _exchange(token)
    if pair is None:
        raise InvalidToken("The refresh token was used before or revoked: sign in again.")
    return pair


def _exchange(token: RefreshToken) -> TokenPair | None:
    """None for a refusal, so that the revocation is committed and not rolled back by an error."""
    with transaction.atomic():
        # The account first, as everybody does who changes it: roles are read when a change of them is over.
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
        # Counted from the first use, so that repeating it does not make it longer.
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
