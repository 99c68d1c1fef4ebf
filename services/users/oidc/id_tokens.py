"""ID tokens, signed by the current key like access tokens."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import jwt

from atoll.identity.oidc.configuration import issuer
from atoll.identity.tokens import ALGORITHM, InvalidToken, key_id
from atoll.ids import uuid7
from services.users import keys
from services.users.models import User

LIFE_S = 300
MAX_HINT_CHARS = 8192


@dataclass(frozen=True)
class Hint:
    """An ID token that a client shows at sign-out."""

    client_id: str
    sid: UUID


def id_token(user: User, *, client_id: str, sid: UUID, signed_in_at: datetime, nonce: str | None) -> str:
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": issuer(),
        "sub": str(user.id),
        "aud": client_id,
        "iat": now,
        "exp": now + LIFE_S,
        "auth_time": int(signed_in_at.timestamp()),
        "jti": str(uuid7()),
        "sid": str(sid),
        "email": user.email,
        "name": user.name,
        "roles": sorted(user.roles_held),
    }
    if nonce:
        claims["nonce"] = nonce
    return sign(claims)


def sign(claims: dict[str, Any], typ: str = "JWT") -> str:
    kid, private = keys.signing_key()
    return jwt.encode(claims, private, algorithm=ALGORITHM, headers={"kid": kid, "typ": typ})


def read_hint(token: str) -> Hint | None:
    """The claims of an ID token of this issuer, also of an expired one; None for any other text."""
    try:
        key = keys.public_key(key_id(token))
        if key is None:
            return None
        claims = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            issuer=issuer(),
            options={"verify_aud": False, "verify_exp": False, "require": ["iss", "aud", "sub", "sid"]},
        )
        return Hint(str(claims["aud"]), UUID(claims["sid"]))
    except (InvalidToken, jwt.InvalidTokenError, ValueError, TypeError, AttributeError):
        return None
