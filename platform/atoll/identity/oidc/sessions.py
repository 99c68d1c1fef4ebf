"""The sign-in that a session holds."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from atoll.identity.oidc.door import door

HELD = "sign_in"


@dataclass(frozen=True)
class HeldSignIn:
    issuer: str
    subject: str
    sid: str
    token: str


def held_sign_in(request: HttpRequest) -> HeldSignIn | None:
    """None for a visitor, and for a session that an earlier version opened."""
    held: Any = request.session.get(HELD)
    return HeldSignIn(**held) if held else None


def user_of(request: HttpRequest) -> Any:
    """The user of a session; a visitor when the session's sign-in has ended. Called once for each request."""
    user = get_user(request)
    if user.is_authenticated and door().is_over(request):
        request.session.flush()
        return AnonymousUser()
    return user
