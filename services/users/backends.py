"""Signing in to this project's own admin."""

from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest

from services.users import guesses
from services.users.models import User
from services.users.usecases.check_credentials import WrongCredentials, check_credentials


class OwnAccounts(BaseBackend):
    """The same rules as everywhere, asked of the own table: staff and admins, active, right password.

    Guesses made here and at ``/auth/token``, which the other admins ask, are counted together.
    """

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        """None when they are wrong or the account holds no role. Raises TooManyRequests."""
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
