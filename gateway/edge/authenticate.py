"""Finds the principal of a request: an access token of users or of a foreign issuer, or an API key.

A verified token is remembered until it expires or its key goes. So the next request with it needs no
signature check, and `Authenticator.remembered` answers without waiting. `BadTokens` bounds the checks of
tokens that are refused.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atoll.identity.foreign import tokens as foreign_tokens
from atoll.identity.foreign.issuers import Issuer
from atoll.identity.jwks import KeySet
from atoll.identity.principal import Principal
from atoll.identity.revocations import Revocations
from atoll.identity.roles import TITLES
from atoll.identity.tokens import InvalidToken, key_id, principal_of
from gateway.edge.error_responses import ErrorResponse, unavailable
from gateway.edge.identity.api_keys import API_KEY_FIELD, PREFIX_BYTES, ApiKeys, Machine, carries_key
from gateway.edge.identity.bad_tokens import BadTokens
from gateway.edge.identity.consumers import Consumer
from gateway.edge.identity.key_source import KeySource
from gateway.edge.identity.revocation_watch import RevocationWatch
from gateway.edge.identity.trust import Trust, Trusted
from gateway.edge.identity.verified import Verified, VerifiedTokens

if TYPE_CHECKING:
    from gateway.edge.exchange import Exchange
    from gateway.edge.routes.snapshot import Route

READS = frozenset(("GET", "HEAD", "OPTIONS"))
CHALLENGE = b'Bearer realm="atoll"'
INVALID = [(b"www-authenticate", CHALLENGE + b', error="invalid_token"')]
REFRESH_EVERY_S = 15.0

FetchKeys = Callable[[], Awaitable[Any]]


class Pending(Enum):
    """The answer of `Authenticator.remembered` when `Authenticator.principal` must be awaited."""

    PENDING = "the token must be verified, or the list of revocations fetched"


PENDING = Pending.PENDING


class UnknownKey(InvalidToken):
    """The key may be published in the next moment, so this is not remembered about the token."""


class Authenticator:
    """``fetch`` gets the key set of users, ``fetch_revocations`` its revocations. Both may raise OSError,
    ValueError and ErrorResponse. Without ``fetch_revocations`` no token is revoked."""

    def __init__(
        self,
        fetch: FetchKeys,
        fetch_revocations: FetchKeys | None = None,
        *,
        keys: KeySet | None = None,
        keep: Path | None = None,
        revocations: Revocations | None = None,
        trust: Trust | None = None,
    ) -> None:
        self.trust = trust or Trust()
        self.api_keys = ApiKeys()
        self.bad_tokens = BadTokens()
        self._own_keys = keys or KeySet()
        self._own = KeySource("users", self._own_keys, fetch, keep)
        self._revocations = RevocationWatch(fetch_revocations, revocations)
        self._verified = VerifiedTokens()

    @property
    def loaded(self) -> bool:
        return self._own_keys.loaded

    def use(self, issuers: Iterable[Issuer], consumers: Iterable[Consumer]) -> None:
        """Take over the issuers and consumers of a table. Needs a running event loop."""
        self.api_keys.replace(consumers)
        if self.trust.replace(issuers):
            self._verified.clear()
            self.bad_tokens.forget()
            self.trust.refresh_if_due()

    async def keep_fresh(self) -> None:
        """Fetch the keys of foreign issuers again, until the task is cancelled."""
        while True:
            self.trust.refresh_if_due()
            await asyncio.sleep(REFRESH_EVERY_S)

    def remembered(self, exchange: "Exchange") -> Principal | Pending | None:
        """The principal where nothing needs to wait; None without a credential.

        Raises ErrorResponse for a bad token or key: 403, or 401 where the route says so. Raises it with 429
        for a token that must be verified when the address has sent too many bad ones.
        """
        offered = exchange.fields.get(API_KEY_FIELD)
        if offered is not None and offered.startswith(PREFIX_BYTES):
            return self._machine(exchange, offered)
        authorization = exchange.authorization
        if authorization is None:
            return None
        held = self._verified.get(authorization)
        if held is None:
            return self._unknown(exchange, authorization)
        if held.keys is not self._own_keys:
            return held.principal
        if not self._revocations.is_current():
            return PENDING
        if self._revocations.covers(held.principal):
            raise invalid_token(exchange)
        return held.principal

    async def principal(self, exchange: "Exchange") -> Principal | None:
        """As `remembered`, and waits where that is needed. Raises ErrorResponse also for 503 while there is
        no key."""
        found = self.remembered(exchange)
        if not isinstance(found, Pending):
            return found
        authorization = exchange.authorization or b""
        try:
            held = self._verified.get(authorization) or await self._checked(exchange, authorization)
            if held.keys is self._own_keys:
                await self._revocations.catch_up()
                if self._revocations.covers(held.principal):
                    raise InvalidToken
        except InvalidToken:
            raise invalid_token(exchange) from None
        return held.principal

    def _unknown(self, exchange: "Exchange", authorization: bytes) -> Principal | Pending:
        scheme, _, credential = authorization.partition(b" ")
        if scheme.lower() != b"bearer":
            raise invalid_token(exchange)
        if credential.lstrip().startswith(PREFIX_BYTES):
            return self._machine(exchange, credential.strip())
        if self.bad_tokens.holds(authorization):
            raise invalid_token(exchange)
        self.bad_tokens.check_address(exchange.client)
        return PENDING

    def _machine(self, exchange: "Exchange", key: bytes) -> Machine:
        """Raises ErrorResponse for a bad key, and for more than one credential."""
        if sum(name == b"authorization" or carries_key(name, value) for name, value in exchange.headers) > 1:
            raise _refused(exchange, "two_credentials", "Send one access token or one API key, not both.")
        machine = self.api_keys.find(key)
        if machine is None:
            raise _refused(
                exchange,
                "invalid_api_key",
                "The API key is unknown, was withdrawn or has expired: ask for a new one.",
                title="Invalid or expired API key",
            )
        return machine

    async def _checked(self, exchange: "Exchange", authorization: bytes) -> Verified:
        try:
            return await self._verify(authorization)
        except InvalidToken as refusal:
            self.bad_tokens.count(exchange.client)
            if not isinstance(refusal, UnknownKey):
                self.bad_tokens.remember(authorization)
            raise

    async def _verify(self, authorization: bytes) -> Verified:
        """Raises InvalidToken, and ErrorResponse while there is no key."""
        token = authorization.partition(b" ")[2].strip().decode("latin-1")
        named = None if self.trust.is_empty else foreign_tokens.claimed_issuer(token)
        trusted = self.trust.find(named) if named is not None else None
        verified = await (self._verify_own(token) if trusted is None else _verify_foreign(token, trusted))
        self._verified.put(authorization, verified)
        return verified

    async def _verify_own(self, token: str) -> Verified:
        kid = key_id(token)
        key = await self._own.find(kid)
        if key is None:
            if not self.loaded:
                raise unavailable("user-service", "The public keys of the tokens cannot be fetched.")
            raise UnknownKey
        principal = principal_of(token, key)
        return Verified(principal, principal.expires_at, self._own_keys, kid)


async def _verify_foreign(token: str, trusted: Trusted) -> Verified:
    header = foreign_tokens.read_header(token, trusted.issuer)
    key = await trusted.source.find(header.kid)
    if key is None:
        name = trusted.issuer.name
        if not trusted.source.keys.loaded:
            raise unavailable(name, f"The public keys of {name} cannot be fetched.")
        raise UnknownKey
    principal = foreign_tokens.principal_of(token, header, key, trusted.issuer)
    return Verified(principal, principal.expires_at, trusted.source.keys, header.kid)


def is_open(route: "Route", method: str) -> bool:
    """Whether the route asks for no principal."""
    return route.access == "public" or (method in READS and route.access.startswith("public_read"))


def authorise(route: "Route", method: str, principal: Principal | None) -> None:
    """Raises ErrorResponse where the route is closed to the principal: 401 without a credential, else 403."""
    if is_open(route, method):
        return
    if principal is None:
        raise ErrorResponse(
            401,
            "Access token required",
            "access_token_required",
            "Sign in and send the access token as 'Authorization: Bearer ...'.",
            headers=[(b"www-authenticate", CHALLENGE)],
        )
    if isinstance(principal, Machine) and not principal.may_use(route.name, method):
        raise ErrorResponse(
            403,
            "Not allowed",
            "key_not_allowed",
            f"The API key of {principal.consumer} may not use {method} on the route {route.name}.",
        )
    if route.roles and not principal.holds_one_of(*route.roles):
        needed = " or ".join(TITLES[role] for role in route.roles)
        raise ErrorResponse(403, "Not allowed", "not_allowed", f"This needs the role {needed}.")


def invalid_token(exchange: "Exchange") -> ErrorResponse:
    return _refused(exchange, "invalid_token", "The access token is invalid or has expired: sign in again.")


def _refused(
    exchange: "Exchange", code: str, message: str, title: str = "Invalid or expired token"
) -> ErrorResponse:
    status = exchange.route.route.bad_token if exchange.route is not None else 403
    return ErrorResponse(status, title, code, message, headers=list(INVALID))


def asker(principal: Principal) -> str:
    """The caller by which a limit counts: ``user:ID``, ``key:CONSUMER``."""
    return f"key:{principal.consumer}" if isinstance(principal, Machine) else f"user:{principal.id}"
