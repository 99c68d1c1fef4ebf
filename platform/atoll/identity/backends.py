"""Django authentication for the admin of every project: the accounts are those of users."""

import logging
from typing import Any
from uuid import UUID

from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.core.cache import cache
from django.http import HttpRequest
from redis.exceptions import RedisError

from atoll.errors import TooManyRequests, Unavailable
from atoll.identity.addresses import client_address
from atoll.identity.roles import ADMIN, STAFF, staff_may
from atoll.identity.tokens import InvalidToken
from atoll.identity.verification import verify

log = logging.getLogger(__name__)

CHECK_EVERY_S = 300


class AccountBackend(BaseBackend):
    """Email and password are asked at users; the answer's token is verified here.

    A local row of ``auth.User`` is made or brought up to date at each sign-in,
    as the session and the admin's log need one. Its username is the user's id;
    it holds no password. Admins are superusers; staff may view, add and change,
    not delete; everybody else is refused. During a session the account is looked
    at again every five minutes, so a role that was taken or an account that was
    closed is gone here too; while users is away the session goes on.
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
        if not principal.is_staff:
            return None
        return _mirror(principal.id, principal.email, principal.name, is_admin=principal.is_admin)

    def get_user(self, user_id: Any) -> Any:
        """The signed-in user of each request; None ends the session."""
        user = User.objects.filter(pk=user_id, is_active=True).first()
        if user is None or not _check_is_due(user):
            return user
        return self._checked(user)

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

    def _checked(self, user: User) -> User | None:
        from atoll.client import ServiceClient

        try:
            reply = ServiceClient("user-service", timeout_s=2.0).get(f"/users/{user.username}")
            account = reply.json() if reply.ok else {}
        except Unavailable as error:
            log.warning("the account of a session cannot be looked at, it goes on: %s", error)
            return user
        if not reply.ok and reply.status != 404:
            log.warning("users refused to show the account of a session: %s", reply.status)
            return user
        roles = set(account.get("roles", ()))
        if not account.get("isActive") or not roles & {ADMIN, STAFF}:
            User.objects.filter(pk=user.pk).update(is_active=False, is_staff=False, is_superuser=False)
            return None
        return _mirror(user.username, account["email"], account["name"], is_admin=ADMIN in roles)


def _mirror(user_id: str, email: str | None, name: str | None, *, is_admin: bool) -> User:
    current = {
        "email": email or "",
        "first_name": (name or "")[:150],
        "is_active": True,
        "is_staff": True,
        "is_superuser": is_admin,
    }
    user, _made = User.objects.update_or_create(
        username=user_id,
        defaults=current,
        create_defaults={**current, "password": make_password(None)},
    )
    return user


def _check_is_due(user: User) -> bool:
    """True for one request in five minutes, of a user who came from users."""
    try:
        UUID(user.username)
        return cache.add(f"identity:checked:{user.username}", 1, CHECK_EVERY_S)
    except (ValueError, RedisError, OSError):
        return False
