"""ID tokens and logout tokens: their signature and their claims.

OpenID Connect Core 1.0 §3.1.3.7 and Back-Channel Logout 1.0 §2.6. Only RS256 is accepted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from django.utils.crypto import constant_time_compare

from atoll.identity.roles import current_roles
from atoll.identity.tokens import ALGORITHM, LEEWAY_S, MAX_ROLES, InvalidToken, key_id

BACK_CHANNEL_EVENT = "http://schemas.openid.net/event/backchannel-logout"
MAX_SUBJECT_CHARS = 150
MAX_SID_CHARS = 128
MAX_AGE_OF_LOGOUT_S = 600

FindKey = Callable[[str], RSAPublicKey | None]


class BadClaims(Exception):
    """The token is forged, expired, for another client or another sign-in, or has malformed claims."""


@dataclass(frozen=True)
class SignedIn:
    """A person by an ID token. ``token`` is its text, which the issuer wants back at sign-out."""

    issuer: str
    subject: str
    sid: str | None
    email: str
    email_verified: bool
    name: str
    roles: frozenset[str]
    token: str


@dataclass(frozen=True)
class LoggedOut:
    """A sign-in that ended (``sid``), or all of a person (``subject`` alone)."""

    subject: str | None
    sid: str | None


def read_id_token(
    token: str, find_key: FindKey, *, issuer: str, client_id: str, nonce: str, roles_claim: str
) -> SignedIn:
    """Raises BadClaims, and Unavailable when the keys were never fetched and cannot be fetched now."""
    claims = _read(token, find_key, issuer=issuer, client_id=client_id, require=("exp", "sub"))
    if not constant_time_compare(_text(claims, "nonce"), nonce):
        raise BadClaims("the nonce is of another sign-in")
    subject = _text(claims, "sub")
    if not 1 <= len(subject) <= MAX_SUBJECT_CHARS:
        raise BadClaims("the subject has no fitting length")
    return SignedIn(
        issuer=issuer,
        subject=subject,
        sid=_sid(claims),
        email=_text(claims, "email"),
        email_verified=claims.get("email_verified") is True,
        name=_text(claims, "name") or _text(claims, "preferred_username"),
        roles=_roles(claims, roles_claim),
        token=token,
    )


def read_logout_token(token: str, find_key: FindKey, *, issuer: str, client_id: str) -> LoggedOut:
    """Raises BadClaims, and Unavailable when the keys were never fetched and cannot be fetched now."""
    claims = _read(token, find_key, issuer=issuer, client_id=client_id, require=("events",))
    events = claims["events"]
    if not isinstance(events, Mapping) or not isinstance(events.get(BACK_CHANNEL_EVENT), Mapping):
        raise BadClaims("no event of a logout")
    if "nonce" in claims:
        raise BadClaims("a logout token has no nonce")
    ended = LoggedOut(_text(claims, "sub") or None, _sid(claims))
    if ended.subject is None and ended.sid is None:
        raise BadClaims("neither sub nor sid")
    return ended


def _read(
    token: str, find_key: FindKey, *, issuer: str, client_id: str, require: tuple[str, ...]
) -> dict[str, Any]:
    try:
        key = find_key(key_id(token))
        if key is None:
            raise BadClaims("an unknown key")
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            audience=client_id,
            issuer=issuer,
            leeway=LEEWAY_S,
            options={"require": ["iss", "aud", "iat", *require]},
        )
    except (
        InvalidToken,
        jwt.InvalidTokenError,
        ValueError,
        TypeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise BadClaims(str(error)) from error
    audience = claims["aud"]
    several = isinstance(audience, list) and len(audience) > 1
    if (several or "azp" in claims) and claims.get("azp") != client_id:
        raise BadClaims("authorized for another client")
    return claims


def _roles(claims: Mapping[str, Any], path: str) -> frozenset[str]:
    """The roles at ``realm_access.roles``; none where the claim is missing."""
    value: Any = claims
    # A claim may have a dot in its own name, as Auth0's addresses have.
    for name in (path,) if path in claims else path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    if value is None:
        return frozenset()
    if not isinstance(value, list) or not all(isinstance(role, str) for role in value):
        raise BadClaims(f"{path} is not a list of roles")
    return current_roles(value[: MAX_ROLES * 8])


def _sid(claims: Mapping[str, Any]) -> str | None:
    sid = _text(claims, "sid")
    if len(sid) > MAX_SID_CHARS:
        raise BadClaims("sid is too long")
    return sid or None


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or "\0" in value:
        raise BadClaims(f"{name} is not a text")
    return value
