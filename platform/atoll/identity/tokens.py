"""Reading one token: its form, its signature and its claims (RFC 7519, RFC 8725).

The functions read no file and no network; the caller gives the key. They ignore ``jku``, ``x5u`` and
``jwk`` in the header.
"""

import re
from typing import Any, ClassVar
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from atoll import conf
from atoll.errors import NotAllowed
from atoll.identity.principal import Principal
from atoll.identity.roles import current_roles

ALGORITHM = "RS256"
AUDIENCE = "atoll"
LEEWAY_S = 30
MAX_TOKEN_CHARS = 8192
MAX_ROLES = 32
REQUIRED_CLAIMS = ("iss", "aud", "exp", "iat", "sub", "jti", "token_use")

COMPACT_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
SERVICE_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")


class InvalidToken(NotAllowed):
    """The token is malformed, forged, expired, or not for this use.

    ``__cause__`` holds the fault for the log. The answer says only that a new token is needed.
    """

    title = "Invalid or expired token"
    default_code = "invalid_token"
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": 'Bearer realm="atoll", error="invalid_token"'}

    def __init__(self, message: str = "The access token is invalid or has expired: sign in again.") -> None:
        super().__init__(message)


def issuer() -> str:
    """The ``iss`` of every token: TOKEN_ISSUER, else ``atoll``."""
    return conf.variable("TOKEN_ISSUER") or "atoll"


def key_id(token: str) -> str:
    """The ``kid`` of a token with a valid form. The signature is not checked here.

    Raises InvalidToken unless the token is three base64url parts, at most 8192
    characters, names RS256, and has a well-formed ``kid`` and no ``crit``.
    """
    if len(token) > MAX_TOKEN_CHARS or not COMPACT_FORM.fullmatch(token):
        raise InvalidToken()
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
        raise InvalidToken() from error
    kid = header.get("kid")
    if header.get("alg") != ALGORITHM or "crit" in header:
        raise InvalidToken()
    if not isinstance(kid, str) or not KEY_ID.fullmatch(kid):
        raise InvalidToken()
    return kid


def principal_of(token: str, key: RSAPublicKey) -> Principal:
    """Check signature and claims with ``key``, the key that the token's ``kid`` names.

    Accepts access and service tokens, for our audience alone. Raises InvalidToken.
    """
    claims = read_claims(token, key)
    match claims["token_use"]:
        case "access":
            return _user(claims)
        case "service":
            return _service(claims)
        case _:
            raise InvalidToken()


def read_claims(token: str, key: RSAPublicKey) -> dict[str, Any]:
    """The claims of a token of any use. Checks signature, times, issuer and audience. Raises InvalidToken."""
    try:
        return jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=issuer(),
            leeway=LEEWAY_S,
            options={"require": list(REQUIRED_CLAIMS), "strict_aud": True},
        )
    except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise InvalidToken() from error


def _user(claims: dict[str, Any]) -> Principal:
    roles = claims.get("roles", [])
    if not isinstance(roles, list) or len(roles) > MAX_ROLES or not all(isinstance(r, str) for r in roles):
        raise InvalidToken()
    try:
        user_id = UUID(claims["sub"])
    except ValueError as error:
        raise InvalidToken() from error
    return Principal(
        id=str(user_id),
        roles=current_roles(roles),
        kind="user",
        service=None,
        token_id=claims["jti"],
        email=_text(claims, "email"),
        name=_text(claims, "name"),
        session=_text(claims, "sid"),
        issued_at=int(claims["iat"]),
        expires_at=float(claims["exp"]),
    )


def _service(claims: dict[str, Any]) -> Principal:
    service = claims["sub"]
    if not SERVICE_NAME.fullmatch(service):
        raise InvalidToken()
    return Principal(
        id=service,
        roles=frozenset(),
        kind="service",
        service=service,
        token_id=claims["jti"],
        email=None,
        name=None,
        issued_at=int(claims["iat"]),
        expires_at=float(claims["exp"]),
    )


def _text(claims: dict[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidToken()
    return value
