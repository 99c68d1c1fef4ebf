"""Sign-in to the admin of users."""

import logging
from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.hashers import make_password
from django.http import HttpRequest

from atoll.errors import Refusal
from atoll.identity.oidc.claims import SignedIn
from atoll.identity.roles import ROLES, holds_one_of
from services.users import guesses
from services.users.models import User
from services.users.usecases.check_credentials import WrongCredentials, check_credentials
from services.users.usecases.register_user import register_user
from services.users.usecases.update_user import Changes, update_user

log = logging.getLogger(__name__)


class OwnAccounts(BaseBackend):
    """Checks the password of an active account with a role in the users table.

    The limits count failures here and at ``/auth/token`` together.
    """

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        """None for wrong credentials and for an account without a role. Raises TooManyRequests."""
        email, password = credentials.get("username") or "", credentials.get("password") or ""
        if request is not None:
            guesses.SIGN_IN.check_account(request, email)
        try:
            user = check_credentials(email, password)
        except WrongCredentials:
            if request is not None:
                guesses.SIGN_IN.failed(request, email)
            return None
        if request is not None:
            guesses.remember_source(request, user)
        return user if user.is_staff else None

    def get_user(self, user_id: Any) -> User | None:
        return User.objects.filter(pk=user_id, is_active=True).first()


class OutsideAccounts(BaseBackend):
    """The accounts of staff are at the issuer that ATOLL_OIDC_ISSUER names; here is a copy of each.

    A sign-in finds the copy by its verified email, or makes it, and gives it the roles of the issuer. The
    copy has no password, so it signs in at the issuer alone. A copy that is locked here stays out of this
    admin.
    """

    def authenticate(
        self, request: HttpRequest | None, signed_in: SignedIn | None = None, **credentials: Any
    ) -> User | None:
        """None for a person without a role or without a verified email, and for a locked copy."""
        if signed_in is None or not signed_in.email_verified or not signed_in.email:
            return None
        roles = signed_in.roles & frozenset(ROLES)
        if not holds_one_of(roles, ROLES):
            return None
        try:
            return _copy(signed_in, roles)
        except Refusal as refusal:
            log.warning("the roles of the issuer are refused: %s", refusal)
            return None

    def get_user(self, user_id: Any) -> User | None:
        return User.objects.filter(pk=user_id, is_active=True).first()


def _copy(signed_in: SignedIn, roles: frozenset[str]) -> User | None:
    held = User.objects.by_email(signed_in.email)
    if held is None:
        email = signed_in.email.strip().lower()
        name = (signed_in.name or email)[:200]
        return register_user(User(email=email, name=name, roles=sorted(roles), password=make_password(None)))
    if not held.is_active:
        return None
    return update_user(held.id, Changes(roles=roles)) if held.roles_held != roles else held
