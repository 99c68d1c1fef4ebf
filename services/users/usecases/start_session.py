"""Sign a user in: an access token, and the first refresh token of a new sign-in."""

from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from services.users import models
from services.users.tokens import ACCESS_LIFE, REFRESH_LIFE, AccessToken, RefreshToken
from services.users.usecases.check_credentials import WrongCredentials


@dataclass(frozen=True)
class TokenPair:
    access_token: str
    refresh_token: str
    expires_in_s: int


def start_session(user: models.User) -> TokenPair:
    """``user`` is the account as it was at the check of its password.

    Raises WrongCredentials if its password has changed or the account is inactive or deleted by
    now. Side effect: deletes the user's expired sign-ins.
    """
    now = timezone.now()
    with transaction.atomic():
        stored = models.User.objects.select_for_update(no_key=True).get(id=user.id)
        if not stored.is_active or stored.password != user.password:
            raise WrongCredentials()
        user.refresh_families.filter(expires_at__lt=now).delete()
        family = models.RefreshFamily.objects.create(user=user, created_at=now, expires_at=now + REFRESH_LIFE)
        return issue_pair(stored, family)


def issue_pair(user: models.User, family: models.RefreshFamily) -> TokenPair:
    """Another refresh token of the sign-in, with an access token. Call it in a transaction."""
    refresh = RefreshToken.of(user)
    expires_at = refresh.current_time + REFRESH_LIFE
    models.RefreshToken.objects.create(
        id=refresh.id, family=family, created_at=refresh.current_time, expires_at=expires_at
    )
    return TokenPair(
        access_token=str(AccessToken.of(user, family.id)),
        refresh_token=str(refresh),
        expires_in_s=int(ACCESS_LIFE.total_seconds()),
    )
