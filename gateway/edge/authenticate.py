"""Verifies bearer tokens with the public keys of the users service.

The principal of a verified token is cached by the token's digest until the token expires or its
key goes, so that the next request needs no RSA.
"""

import asyncio
import base64
import hashlib
import json
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from atoll.identity.jwks import KeySet, Refresh
from atoll.identity.key_file import KeyFile
from atoll.identity.principal import Principal
from atoll.identity.revocations import Revocations
from atoll.identity.roles import TITLES
from atoll.identity.tokens import InvalidToken, key_id, principal_of
from gateway.edge.error_responses import ErrorResponse, unavailable

log = logging.getLogger(__name__)

MAX_VERIFIED = 10_000
DIGEST_BYTES = 16
WAIT_FOR_REVOCATIONS_S = 1.0
CHALLENGE = b'Bearer realm="atoll"'

FetchKeys = Callable[[], Awaitable[Any]]


class Verified:
    """Principals by the digest of their token. A full cache drops the oldest entry."""

    def __init__(self, now: Callable[[], float] = time.time, most: int = MAX_VERIFIED) -> None:
        self._now = now
        self._most = most
        self._held: dict[bytes, tuple[Principal, float, str]] = {}

    def get(self, digest: bytes) -> tuple[Principal, str] | None:
        held = self._held.get(digest)
        if held is None:
            return None
        if held[1] <= self._now():
            del self._held[digest]
            return None
        return held[0], held[2]

    def put(self, digest: bytes, principal: Principal, expires: float, kid: str) -> None:
        if len(self._held) >= self._most:
            del self._held[next(iter(self._held))]
        self._held[digest] = (principal, expires, kid)


class Authenticator:
    """``fetch`` gets the key set, ``fetch_revocations`` the revocations. Both may raise OSError, ValueError
    and ErrorResponse. Without ``fetch_revocations`` no token is revoked."""

    def __init__(
        self,
        fetch: FetchKeys,
        fetch_revocations: FetchKeys | None = None,
        *,
        keys: KeySet | None = None,
        keep: Path | None = None,
        revocations: Revocations | None = None,
    ) -> None:
        self._fetch = fetch
        self._fetch_revocations = fetch_revocations
        self._revocations = revocations or Revocations()
        self._catching_up: asyncio.Task[None] | None = None
        self._revocations_away = False
        self._keys = keys or KeySet()
        self._file = KeyFile(keep)
        self._verified = Verified()
        self._refreshing: asyncio.Task[None] | None = None
        self._file.load_into(self._keys)

    @property
    def loaded(self) -> bool:
        return self._keys.loaded

    async def principal(self, authorization: bytes | None) -> Principal | None:
        """None without a token. Raises ErrorResponse: 403 for an invalid token, 503 while there is no key."""
        if authorization is None:
            return None
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() != b"bearer":
            raise invalid_token()
        digest = hashlib.blake2b(token, digest_size=DIGEST_BYTES).digest()
        held = self._verified.get(digest)
        try:
            if held is not None and self._keys.peek(held[1]) is not None:
                principal = held[0]
            else:
                principal = await self._verify(token.strip().decode("latin-1"), digest)
            await self._require_unrevoked(principal)
        except InvalidToken:
            raise invalid_token() from None
        return principal

    async def _require_unrevoked(self, principal: Principal) -> None:
        """Raises InvalidToken. Waits for new revocations only when the list is too old."""
        fetch = self._fetch_revocations
        if fetch is None:
            return
        if self._revocations.due() is not Refresh.NO:
            self._catching_up = asyncio.get_running_loop().create_task(self._catch_up(fetch))
        if self._catching_up is not None and self._revocations.is_stale:
            await asyncio.wait({self._catching_up}, timeout=WAIT_FOR_REVOCATIONS_S)
        if self._revocations.covers(principal):
            raise InvalidToken

    async def _catch_up(self, fetch: FetchKeys) -> None:
        try:
            self._revocations.accept(await fetch())
            self._revocations_away = False
        except (ErrorResponse, OSError, ValueError) as error:
            self._revocations.fail()
            if not self._revocations_away:
                log.warning(
                    "revocations could not be fetched, tokens stay valid until they expire: %s", error
                )
            self._revocations_away = True
        except BaseException:
            self._revocations.fail()
            raise

    async def _verify(self, token: str, digest: bytes) -> Principal:
        kid = key_id(token)
        found = self._keys.find(kid)
        if found.refresh is not Refresh.NO:
            self._start_refresh()
        key = found.key
        if key is None:
            if self._refreshing is not None:
                await asyncio.shield(self._refreshing)
            key = self._keys.peek(kid)
        if key is None:
            if not self._keys.loaded:
                raise unavailable("user-service", "The public keys of the tokens cannot be fetched.")
            raise InvalidToken
        principal = principal_of(token, key)
        self._verified.put(digest, principal, _expiry(token), kid)
        return principal

    def _start_refresh(self) -> None:
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.get_running_loop().create_task(self._refresh())

    async def _refresh(self) -> None:
        try:
            document = await self._fetch()
            self._keys.accept(document)
        except (ErrorResponse, OSError, ValueError) as error:
            self._keys.fail()
            log.warning("the token keys could not be fetched, the last keys stay: %s", error)
            return
        except BaseException:
            self._keys.fail()
            raise
        self._file.save(document)


def authorise(access: str, roles: tuple[str, ...], *, is_read: bool, principal: Principal | None) -> None:
    """Raises ErrorResponse where the route is closed to the principal: 401 without a token, else 403."""
    if access == "public" or (is_read and access.startswith("public_read")):
        return
    if principal is None:
        raise ErrorResponse(
            401,
            "Access token required",
            "access_token_required",
            "Sign in and send the access token as 'Authorization: Bearer ...'.",
            headers=[(b"www-authenticate", CHALLENGE)],
        )
    if roles and not principal.holds_one_of(*roles):
        needed = " or ".join(TITLES[role] for role in roles)
        raise ErrorResponse(403, "Not allowed", "not_allowed", f"This needs the role {needed}.")


def invalid_token() -> ErrorResponse:
    return ErrorResponse(
        403,
        "Invalid or expired token",
        "invalid_token",
        "The access token is invalid or has expired: sign in again.",
        headers=[(b"www-authenticate", CHALLENGE + b', error="invalid_token"')],
    )


def _expiry(token: str) -> float:
    """The ``exp`` of a verified token."""
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return float(claims["exp"])
