"""Django authentication for the admin of every project, with the accounts of users."""

import logging
import time
from typing import Any
from uuid import UUID

from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.http import HttpRequest
from redis.exceptions import RedisError

from atoll.client import ServiceClient
from atoll.errors import Unavailable
from atoll.identity import copies
from atoll.identity.oidc import configuration
from atoll.identity.oidc.claims import SignedIn
from atoll.identity.revocations import Mark
from atoll.identity.rights import roles_for
from atoll.identity.roles import ADMIN, ROLES, current_roles, holds_one_of
from atoll.identity.verification import account_mark

log = logging.getLogger(__name__)

CHECK_EVERY_S = 300
# Longer than users keeps a mark, so that a process acts on each mark once.
LOOK_REMEMBERED_S = 1200


class AccountBackend(BaseBackend):
    """The issuer signs people in, and ``atoll.identity.oidc`` verifies its ID token.

    Each sign-in creates or updates a local row of ``auth.User``, which the session and the admin's log
    need. Its username is the user's id, and it holds no password. Its groups are the account's roles; an
    administrator is a superuser. An account without a role is refused. During a session the account is
    read again every five minutes, and as soon as users marks it. So the loss of a role or the end of an
    account takes effect within seconds. While users is away a session goes on, unless its account was
    marked.

    An issuer outside (ATOLL_OIDC_ISSUER) keeps the accounts itself: their roles count as at the sign-in, and
    the issuer ends their sessions.
    """

    def authenticate(
        self, request: HttpRequest | None, signed_in: SignedIn | None = None, **credentials: Any
    ) -> Any:
        """Takes the claims of a verified ID token. None for an account without a role."""
        if signed_in is None or not holds_one_of(signed_in.roles, ROLES):
            return None
        user = mirror(signed_in.subject, signed_in.email, signed_in.name, signed_in.roles)
        mark = account_mark(user.username)
        if mark is not None:
            self._end_sessions_before(user, mark)
            _note_look(user)
        return user

    def get_user(self, user_id: Any) -> Any:
        """Called for each request of a session. None ends the session."""
        user = User.objects.filter(pk=user_id, is_active=True).first()
        if user is None or not _is_mirror(user):
            return user
        mark, looked_at = account_mark(user.username), _looked_at(user)
        if mark is not None and (looked_at is None or mark.before >= looked_at):
            return self._marked(user, mark)
        if looked_at is None or time.time() - looked_at >= CHECK_EVERY_S or _has_no_role_yet(user):
            _note_look(user)
            return self._checked(user, or_else=user)
        return user

    def has_perm(self, user_obj: Any, perm: str, obj: object | None = None) -> bool:
        return bool(user_obj.is_active and holds_one_of(roles_of(user_obj), roles_for(perm)))

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        return bool(user_obj.is_active and user_obj.is_staff)

    def _marked(self, user: User, mark: Mark) -> User | None:
        """Users has marked the account: read it again before its session goes on."""
        self._end_sessions_before(user, mark)
        checked = self._checked(user, or_else=None)
        if checked is not None:
            _note_look(user)
        return checked

    def _end_sessions_before(self, user: User, mark: Mark) -> None:
        """End every session of this project that began before the mark, by a change of its session hash."""
        looked_at = _looked_at(user)
        if mark.ends_sessions and (looked_at is None or mark.before >= looked_at):
            user.password = make_password(None)
            user.save(update_fields=["password"])

    def _checked(self, user: User, *, or_else: User | None) -> User | None:
        """The account as users has it now; ``or_else`` when users does not answer."""
        try:
            reply = ServiceClient("user-service", timeout_s=2.0).get(f"/users/{user.username}")
            account = reply.json() if reply.ok else {}
        except Unavailable as error:
            log.warning("the account of a session cannot be looked at: %s", error)
            return or_else
        if not reply.ok and reply.status != 404:
            log.warning("users refused to show the account of a session: %s", reply.status)
            return or_else
        roles = current_roles(account.get("roles", ()))
        if not account.get("isActive") or not holds_one_of(roles, ROLES):
            User.objects.filter(pk=user.pk).update(is_active=False, is_staff=False, is_superuser=False)
            if reply.status == 404:
                copies.forget(user.username)
            return None
        return mirror(user.username, account["email"], account["name"], roles)


def roles_of(user: Any) -> frozenset[str]:
    """The roles of a local row, read once for each Python object; none for a visitor."""
    if not (user.is_active and user.is_staff):
        return frozenset()
    held: frozenset[str] | None = getattr(user, "held_roles", None)
    if held is None:
        held = frozenset(user.groups.values_list("name", flat=True)) & frozenset(ROLES)
        user.held_roles = held
    return held | {ADMIN} if user.is_superuser else held


def mirror(user_id: str, email: str | None, name: str | None, roles: frozenset[str]) -> User:
    """Create or update the local row of an account, with its roles as groups."""
    current = {
        "email": email or "",
        "first_name": (name or "")[:150],
        "is_active": True,
        "is_staff": True,
        "is_superuser": ADMIN in roles,
    }
    user, _made = User.objects.update_or_create(
        username=user_id,
        defaults=current,
        create_defaults={**current, "password": make_password(None)},
    )
    held = sorted(roles & frozenset(ROLES))
    Group.objects.bulk_create([Group(name=role) for role in held], ignore_conflicts=True)
    user.groups.set(Group.objects.filter(name__in=held))
    return user


def _has_no_role_yet(user: User) -> bool:
    """Whether an earlier version made the row, which kept no roles in it."""
    return user.is_staff and not roles_of(user)


def _is_mirror(user: User) -> bool:
    """Whether the row is a copy of an account of users. Rows of tests, for example, are not."""
    if configuration.outside_issuer():
        return False
    try:
        UUID(user.username)
    except ValueError:
        return False
    return True


def _looked_at(user: User) -> int | None:
    """The time of the last check of the account, in seconds since 1970; None when it is not known."""
    try:
        seen: int | None = cache.get(f"identity:checked:{user.username}")
    except (RedisError, OSError):
        return None
    return seen


def _note_look(user: User) -> None:
    try:
        cache.set(f"identity:checked:{user.username}", int(time.time()), LOOK_REMEMBERED_S)
    except (RedisError, OSError) as error:
        log.warning("the look at an account is not remembered, the cache is away: %s", error)
