"""An access token of the member of staff who tries a request as themselves.

An admin keeps no token after a sign-in, so the person gives the password again. The sign-in that this makes
at users ends with the request, and the password is neither stored nor logged.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.http import HttpRequest

from atoll.client import ServiceClient
from atoll.errors import AtollError, TooManyRequests
from atoll.identity.addresses import client_address
from atoll.identity.limits import CredentialLimit, Rate
from gateway.explain.asked import NotARequest

log = logging.getLogger(__name__)

USERS = "user-service"
LIMIT = CredentialLimit("try-as-oneself", per_address=Rate(30, 60), per_source=Rate(10, 300))
AWAY = "The users service does not answer, so nothing is sent as you. Try again soon."


@contextmanager
def own_token(request: HttpRequest, password: str) -> Iterator[str]:
    """The token, for the block. Raises NotARequest: wrong password, too many attempts, users away."""
    email = str(getattr(request.user, "email", ""))
    if not email:
        raise NotARequest("Your account has no email, so it cannot sign in at users.")
    access, refresh = _sign_in(request, email, password)
    try:
        yield access
    finally:
        _sign_out(refresh)


def _sign_in(request: HttpRequest, email: str, password: str) -> tuple[str, str]:
    try:
        LIMIT.check(request, email)
        reply = ServiceClient(USERS).post(
            "/auth/token",
            json={"email": email, "password": password},
            headers={"X-Forwarded-For": client_address(request)},
            token=False,
        )
    except TooManyRequests as error:
        raise NotARequest(error.message) from None
    except AtollError:
        raise NotARequest(AWAY) from None
    if reply.status == 429:
        raise NotARequest("Too many attempts for this account or address. Try again later.")
    if not reply.ok:
        LIMIT.failed(request, email)
        raise NotARequest("This is not the password of your account.")
    given = reply.json()
    return str(given["accessToken"]), str(given["refreshToken"])


def _sign_out(refresh: str) -> None:
    try:
        ServiceClient(USERS).post("/auth/logout", json={"refreshToken": refresh}, token=False)
    except AtollError as error:
        log.warning("the sign-in of a tried request lives to its own end: %s", error)
