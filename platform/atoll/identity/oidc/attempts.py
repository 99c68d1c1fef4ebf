"""One attempt to sign in, between the redirect to the issuer and the return from it.

Nothing is stored on the server. A cookie holds a random value of this browser. ``state`` is signed for that
value and holds the page to return to. ``nonce`` and the PKCE verifier derive from both with SECRET_KEY, so
several tabs can sign in at once, and a response for another browser is refused.
"""

import base64
import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac
from django.utils.http import url_has_allowed_host_and_scheme

SALT = "atoll.identity.oidc"
LIFE_S = 600
COOKIE_PATH = "/"
COOKIE_CHARS = 32
MAX_STATE_CHARS = 4096
MAX_RETURN_CHARS = 1024
DEFAULT_RETURN = "/admin/"


class BadState(Exception):
    """The ``state`` was made for another browser, was changed, or is older than LIFE_S."""


@dataclass(frozen=True)
class Attempt:
    browser: str
    random: str
    return_to: str

    @property
    def state(self) -> str:
        return signing.dumps({"r": self.random, "n": self.return_to}, salt=_salt(self.browser))

    @property
    def nonce(self) -> str:
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        """64 characters; RFC 7636 needs 43 to 128."""
        return self._derived("verifier")

    @property
    def challenge(self) -> str:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def remember(self, response: HttpResponse) -> None:
        response.set_cookie(
            cookie_name(),
            self.browser,
            max_age=LIFE_S,
            path=COOKIE_PATH,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )

    def _derived(self, use: str) -> str:
        text = f"{self.browser} {self.random}"
        return salted_hmac(f"{SALT}.{use}", text, algorithm="sha256").hexdigest()


def begin(request: HttpRequest, return_to: str) -> Attempt:
    held = request.COOKIES.get(cookie_name(), "")
    browser = held if len(held) == COOKIE_CHARS and held.isascii() else secrets.token_urlsafe(24)
    return Attempt(browser, secrets.token_urlsafe(16), own_address(return_to))


def resume(request: HttpRequest, state: str) -> Attempt:
    """Raises BadState."""
    browser = request.COOKIES.get(cookie_name(), "")
    if not browser or len(state) > MAX_STATE_CHARS:
        raise BadState()
    try:
        held: dict[str, Any] = signing.loads(state, salt=_salt(browser), max_age=LIFE_S)
    except signing.BadSignature as error:
        raise BadState() from error
    return Attempt(browser, held["r"], own_address(held["n"]))


def forget(response: HttpResponse) -> None:
    response.delete_cookie(cookie_name(), path=COOKIE_PATH, samesite="Lax")


def own_address(address: str, *, longest: int = MAX_RETURN_CHARS, default: str = DEFAULT_RETURN) -> str:
    """The address if it is a path of this project, else ``default``."""
    fine = (
        address.startswith("/")
        and len(address) <= longest
        and url_has_allowed_host_and_scheme(address, allowed_hosts=None)
    )
    return address if fine else default


def cookie_name() -> str:
    """Cookies know no ports, so the name of each project's cookie differs."""
    return f"{settings.ATOLL_PROJECT}_sign_in"


def _salt(browser: str) -> str:
    return f"{SALT}.state.{browser}"
