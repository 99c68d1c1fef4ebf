"""Sessions of this project's admin by their sign-in at the issuer: opened, looked at, ended."""

import logging
import time
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import auth
from django.core.cache import cache
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from redis.exceptions import RedisError

from atoll.client import ServiceClient
from atoll.errors import Unavailable
from atoll.identity.models import AdminSignIn
from atoll.identity.oidc import configuration
from atoll.identity.oidc.claims import LoggedOut, SignedIn
from atoll.identity.oidc.sessions import HELD, HeldSignIn
from atoll.identity.sessions import SessionStore
from atoll.identity.verification import sign_in_mark

log = logging.getLogger(__name__)

LOOK_EVERY_S = 300
LOOK_TIMEOUT_S = 2.0
OVER = "over"


def open_session(request: HttpRequest, user: Any, signed_in: SignedIn) -> None:
    """Sign the browser in, under a new session id: nothing of an earlier session stays.

    Side effect: deletes the expired sessions of everybody.
    """
    close_session(request)
    auth.login(request, user)
    request.session[HELD] = {
        "issuer": signed_in.issuer,
        "subject": signed_in.subject,
        "sid": signed_in.sid or "",
        "token": signed_in.token,
    }
    request.session.save()
    SessionStore.clear_expired()
    oldest = timezone.now() - timedelta(seconds=settings.SESSION_COOKIE_AGE)
    AdminSignIn.objects.filter(created_at__lt=oldest).delete()
    AdminSignIn.objects.update_or_create(
        session_key=request.session.session_key,
        defaults={
            "issuer": signed_in.issuer,
            "subject": signed_in.subject,
            "sid": signed_in.sid or "",
            "created_at": timezone.now(),
        },
    )


def close_session(request: HttpRequest) -> None:
    """Sign this browser out of this admin alone."""
    AdminSignIn.objects.filter(session_key=request.session.session_key or "").delete()
    auth.logout(request)


def end_sessions(issuer: str, ended: LoggedOut) -> int:
    """End the sessions of a sign-in, or without ``sid`` all of a person. Returns their number; idempotent."""
    rows = AdminSignIn.objects.filter(issuer=issuer)
    if ended.sid is not None:
        rows = rows.filter(sid=ended.sid)
    if ended.subject is not None:
        rows = rows.filter(subject=ended.subject)
    return _end(rows)


def end_sessions_of(subject: str) -> int:
    """End all sessions of a person, whose email and name are in them. Returns their number."""
    return _end(AdminSignIn.objects.filter(subject=subject))


def _end(rows: QuerySet[AdminSignIn]) -> int:
    keys = list(rows.values_list("session_key", flat=True))
    for key in keys:
        SessionStore(key).delete()
    AdminSignIn.objects.filter(session_key__in=keys).delete()
    return len(keys)


def is_over(request: HttpRequest, held: HeldSignIn) -> bool:
    """Whether the sign-in behind this session has ended.

    Of users: at once when the list of revocations names it, which a process reads every 1.5 seconds, and
    else by a question every LOOK_EVERY_S. While users does not answer, the session goes on. An issuer outside
    ends sessions itself, by back-channel logout.
    """
    if held.issuer != configuration.issuer():
        return True
    if not held.sid or configuration.outside_issuer():
        return False
    if sign_in_mark(held.sid) is not None:
        return True
    key = f"identity:sign-in:{held.sid}"
    seen = _seen(key)
    if seen is not None:
        return bool(seen == OVER)
    answer = _ask_users(held.sid)
    if answer is None:
        return False
    _note(key, int(time.time()) if answer else OVER)
    return not answer


def _ask_users(sid: str) -> bool | None:
    """Whether the sign-in goes on; None when users cannot tell."""
    try:
        reply = ServiceClient("user-service", timeout_s=LOOK_TIMEOUT_S).get(f"/auth/sign-ins/{sid}")
    except Unavailable as error:
        log.warning("a sign-in cannot be looked at: %s", error)
        return None
    if reply.status == 404:
        return False
    if not reply.ok:
        log.warning("users refused to show a sign-in: %s", reply.status)
        return None
    return reply.json().get("isActive") is True


def _seen(key: str) -> Any:
    try:
        return cache.get(key)
    except (RedisError, OSError):
        return None


def _note(key: str, value: Any) -> None:
    try:
        cache.set(key, value, LOOK_EVERY_S)
    except (RedisError, OSError) as error:
        log.warning("the look at a sign-in is not remembered, the cache is away: %s", error)
