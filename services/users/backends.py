"""Signing in to this project's own admin."""

from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest

from services.users.models import User
from services.users.usecases.check_credentials import WrongCredentials, check_credentials


class OwnAccounts(BaseBackend):
    """The same rules as everywhere, asked of the own table: staff and admins, active, right password."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        try:
            user = check_credentials(credentials.get("username") or "", credentials.get("password") or "")
        except WrongCredentials:
            return None
        return user if user.is_staff else None

    def get_user(self, user_id: Any) -> User | None:
        return User.objects.filter(pk=user_id, is_active=True).first()
