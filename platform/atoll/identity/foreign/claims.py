"""From the claims of a verified foreign token to its principal."""

from typing import Any
from urllib.parse import quote

from atoll.identity.foreign.issuers import Issuer
from atoll.identity.principal import Principal
from atoll.identity.tokens import InvalidToken

MAX_ID_CHARS = 255
MAX_ROLES = 1000
# Claims `typ` of Keycloak and `token_use` of Cognito.
OTHER_TYPES = ("ID", "Refresh", "Offline", "Logout", "id")
# Claims of ID tokens, and of logout and security event tokens.
CLAIMS_OF_OTHERS = ("at_hash", "c_hash", "events")
# Visible ASCII but the percent sign stays as it is in a header.
KEPT = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "%")


def claim_at(claims: Any, path: str) -> Any:
    """The claim of that name, else at that dotted path; None when there is none.

    A name may have dots itself (``https://shop.example.com/roles``), at any depth.
    """
    if not isinstance(claims, dict):
        return None
    if path in claims:
        return claims[path]
    name, dot, rest = path.partition(".")
    while dot:
        found = claim_at(claims.get(name), rest)
        if found is not None:
            return found
        more, dot, rest = rest.partition(".")
        name = f"{name}.{more}"
    return None


def principal_from(claims: dict[str, Any], issuer: Issuer) -> Principal:
    """Raises InvalidToken for an id that is missing, too long or not printable, and for a token that is not
    for access."""
    _require_access(claims)
    return Principal(
        id=_user_id(claim_at(claims, issuer.id_claim), issuer),
        roles=_roles(claim_at(claims, issuer.roles_claim), dict(issuer.role_names)),
        kind="user",
        service=None,
        token_id=_text(claims.get("jti")) or "",
        email=_text(claims.get("email")),
        name=_text(claims.get("name")),
        issued_at=int(claims.get("iat", 0)),
        expires_at=float(claims["exp"]),
        issuer=issuer.issuer,
    )


def _require_access(claims: dict[str, Any]) -> None:
    """Raises InvalidToken for an ID token, a refresh token or a logout token. Some products sign these with
    the same keys, and say in one of these claims what they are."""
    if claims.get("typ") in OTHER_TYPES or claims.get("token_use") in OTHER_TYPES:
        raise InvalidToken()
    if any(name in claims for name in CLAIMS_OF_OTHERS):
        raise InvalidToken()


def _user_id(given: Any, issuer: Issuer) -> str:
    """The id in characters that a header field may hold: others are percent-encoded as UTF-8.

    It has MAX_ID_CHARS at most, and the issuer's name before it where ids do not stand alone.
    """
    if not isinstance(given, str) or not 1 <= len(given) <= MAX_ID_CHARS or not given.isprintable():
        raise InvalidToken()
    try:
        safe = quote(given, safe=KEPT)
    except UnicodeEncodeError as error:
        raise InvalidToken() from error
    if len(safe) > MAX_ID_CHARS:
        raise InvalidToken()
    return safe if issuer.bare_ids else f"{issuer.name}:{safe}"


def _roles(given: Any, ours: dict[str, str]) -> frozenset[str]:
    held = given.split() if isinstance(given, str) else given
    if not isinstance(held, list):
        return frozenset()
    return frozenset(ours[role] for role in held[:MAX_ROLES] if isinstance(role, str) and role in ours)


def _text(given: Any) -> str | None:
    return given if isinstance(given, str) else None
