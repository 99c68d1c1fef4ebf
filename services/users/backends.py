"""Sign-in to the admin of users."""

from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest

from services.users import guesses
from services.users.models import User
from services.users.usecases.check_credentials import WrongCredentials, check_credentials


class OwnAccounts(BaseBackend):
    """Checks the password of an active account with a role in the users table.

    The other admins use ``/auth/token``. The limits count failures here and there together.
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
