"""This service's own token, by OAuth 2.0 client credentials (RFC 6749 §4.4)."""

import threading
import time
from collections.abc import Callable

from atoll import conf
from atoll.client import ServiceClient
from atoll.errors import Unavailable
from atoll.identity.foreign.trusted import trusted

EARLY_SHARE = 0.25
"""A new token is fetched when less than this share of its lifetime is left."""
RETRY_AFTER_FAILURE_S = 5.0


class ServiceToken:
    """A cached token. One thread fetches a new one; the others use the held token, or wait without one.

    While users is away the held token is used until it expires.
    """

    def __init__(
        self, fetch: Callable[[], tuple[str, float]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._token: str | None = None
        self._renew_at = 0.0
        self._expires_at = 0.0

    def get(self) -> str:
        """Raises Unavailable when no valid token is held and users cannot give one."""
        now = self._clock()
        if self._token is not None and now < self._renew_at:
            return self._token
        held = self._token if now < self._expires_at else None
        if not self._lock.acquire(blocking=held is None) and held is not None:
            return held
        try:
            return self._renewed()
        finally:
            self._lock.release()

    def _renewed(self) -> str:
        now = self._clock()
        if self._token is not None and now < self._renew_at:
            return self._token
        try:
            token, life_s = self._fetch()
        except Unavailable:
            if self._token is None or now >= self._expires_at:
                raise
            self._renew_at = min(now + RETRY_AFTER_FAILURE_S, self._expires_at)
            return self._token
        self._token = token
        self._expires_at = now + life_s
        self._renew_at = now + life_s * (1 - EARLY_SHARE)
        return token


def fetch_service_token() -> tuple[str, float]:
    """Fetch a new token. Returns it with its lifetime in seconds. Raises Unavailable."""
    credentials = {
        "clientId": conf.service_name(),
        "clientSecret": conf.secret("SERVICE_SECRET", conf.project_name()),
    }
    reply = ServiceClient("user-service").post("/auth/service-token", json=credentials, token=False)
    if not reply.ok:
        raise Unavailable(
            "user-service",
            f"refused the credential of {conf.service_name()} with {reply.status}: "
            "is its SERVICE_SECRET the one that `manage.py users sync_credentials` stored?",
        )
    answer = reply.json()
    return str(answer["accessToken"]), float(answer["expiresIn"])


_own = ServiceToken(fetch_service_token)


def service_token() -> str | None:
    """The token of the running service, from the cache. Raises Unavailable.

    None where another issuer is the only one: users has no part in such a project.
    """
    foreign = trusted()
    return None if foreign is not None and foreign.is_alone else _own.get()
