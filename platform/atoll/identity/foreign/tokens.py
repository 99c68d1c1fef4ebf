"""Tokens of foreign issuers: which issuer a token names, and whether it is good (RFC 7519, RFC 8725)."""

import base64
import json
from dataclasses import dataclass
from typing import Any

import jwt

from atoll.identity.foreign.claims import principal_from
from atoll.identity.foreign.issuers import Issuer
from atoll.identity.foreign.signing_keys import KEY_ID, SigningKey
from atoll.identity.principal import Principal
from atoll.identity.tokens import COMPACT_FORM, LEEWAY_S, InvalidToken

# Tokens with the groups of a large organisation are longer than ours.
MAX_TOKEN_CHARS = 16_384
# The ``typ`` of access tokens (RFC 9068 §2.1), or of tokens without a type of their own (RFC 8725 §3.11).
TYPES = ("jwt", "at+jwt", "application/at+jwt")


@dataclass(frozen=True)
class Header:
    kid: str
    algorithm: str


def claimed_issuer(token: str) -> str | None:
    """The ``iss`` of a token. Nothing is verified: it only chooses whose keys and rules apply."""
    if len(token) > MAX_TOKEN_CHARS or not COMPACT_FORM.fullmatch(token):
        return None
    part = token.split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return None
    issuer = claims.get("iss") if isinstance(claims, dict) else None
    return issuer if isinstance(issuer, str) else None


def read_header(token: str, issuer: Issuer) -> Header:
    """Raises InvalidToken unless it names an algorithm of the issuer and a key, is of a type for access, and
    has no ``crit``."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
        raise InvalidToken() from error
    kid, algorithm = header.get("kid"), header.get("alg")
    if not isinstance(kid, str) or not KEY_ID.fullmatch(kid) or "crit" in header:
        raise InvalidToken()
    if algorithm not in issuer.algorithms or str(header.get("typ", "JWT")).lower() not in TYPES:
        raise InvalidToken()
    return Header(kid, algorithm)


def principal_of(token: str, header: Header, key: SigningKey, issuer: Issuer) -> Principal:
    """Check signature, times, issuer and audience, and translate the claims. Raises InvalidToken."""
    if header.algorithm not in key.algorithms:
        raise InvalidToken()
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=[header.algorithm],
            audience=list(issuer.audience),
            issuer=issuer.issuer,
            leeway=LEEWAY_S,
            options={"require": ["iss", "aud", "exp"]},
        )
        return principal_from(claims, issuer)
    except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise InvalidToken() from error
