"""Django authentication for the admin of every project: the accounts are those of users."""

import logging
from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.http import HttpRequest

from atoll.errors import TooManyRequests, Unavailable
from atoll.identity.addresses import client_address
from atoll.identity.principal import Principal
from atoll.identity.roles import staff_may
from atoll.identity.tokens import InvalidToken
from atoll.identity.verification import verify

log = logging.getLogger(__name__)


class AccountBackend(BaseBackend):
    """Email and password are asked at users; the answer's token is verified here.

    A local row of ``auth.User`` is made or brought up to date at each sign-in,
    as the session and the admin's log need one. Its username is the user's id;
    it holds no password. Admins are superusers; staff may view, add and change,
    not delete; everybody else is refused.
    """

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> Any:
        """``username`` (the email) and ``password``; None when they are wrong or of no staff.

        Raises Unavailable or TooManyRequests.
        """
        username, password = credentials.get("username"), credentials.get("password")
        if not username or not password:
            return None
        token = self._ask_users(request, username, password)
        if token is None:
            return None
        try:
            principal = verify(token)
        except InvalidToken:
            log.error("users answered a sign-in with a token that does not verify")
            raise Unavailable("user-service", "answered with a token that cannot be verified") from None
        return self._local_user(principal) if principal.is_staff else None

    def get_user(self, user_id: Any) -> Any:
        return User.objects.filter(pk=user_id, is_active=True).first()

    def has_perm(self, user_obj: Any, perm: str, obj: object | None = None) -> bool:
        return bool(user_obj.is_active and user_obj.is_staff and (user_obj.is_superuser or staff_may(perm)))

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        return bool(user_obj.is_active and user_obj.is_staff)

    def _ask_users(self, request: HttpRequest | None, email: str, password: str) -> str | None:
        from atoll.client import ServiceClient

        headers = {"X-Forwarded-For": client_address(request)} if request else None
        reply = ServiceClient("user-service").post(
            "/auth/token", json={"email": email, "password": password}, headers=headers, token=False
        )
        if reply.status == 429:
            raise TooManyRequests(
                "Too many attempts for this account or address.",
                retry_after_s=int(reply.headers.get("Retry-After", "60")),
            )
        return str(reply.json()["accessToken"]) if reply.ok else None

    def _local_user(self, principal: Principal) -> User:
        current = {
            "email": principal.email or "",
            "first_name": (principal.name or "")[:150],
            "is_active": True,
            "is_staff": True,
            "is_superuser": principal.is_admin,
        }
        user, _made = User.objects.update_or_create(
            username=principal.id,
            defaults=current,
            create_defaults={**current, "password": make_password(None)},
        )
        return user
