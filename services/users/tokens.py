"""The tokens that users issues, built with simplejwt and signed by the current key.

access    ten minutes            identifies a user at all services
service   fifteen minutes        identifies a service at all services
refresh   fourteen days, once    only users accepts it, for the next pair
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

import jwt
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenError
from rest_framework_simplejwt.tokens import Token

from atoll.identity import InvalidToken
from atoll.identity.tokens import ALGORITHM, AUDIENCE, LEEWAY_S, issuer, key_id, read_claims
from services.users import keys
from services.users.models import User
from services.users.revocations import first_second

ACCESS_LIFE = timedelta(minutes=10)
SERVICE_LIFE = timedelta(minutes=15)
REFRESH_LIFE = timedelta(days=14)


class KeyTableBackend(TokenBackend):
    """simplejwt's backend with the table of signing keys; each token has the ``kid`` of its key."""

    def __init__(self) -> None:
        super().__init__(ALGORITHM, audience=AUDIENCE, issuer=issuer(), leeway=LEEWAY_S)

    def encode(self, payload: dict[str, Any]) -> str:
        kid, private = keys.signing_key()
        claims = {**payload, "aud": self.audience, "iss": self.issuer}
        return jwt.encode(claims, private, algorithm=ALGORITHM, headers={"kid": kid})

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:
        try:
            key = keys.public_key(key_id(str(token)))
            if key is None:
                raise InvalidToken()
            return read_claims(str(token), key)
        except InvalidToken as error:
            raise TokenBackendError("Token is invalid") from error


class SignedToken(Token):
    def get_token_backend(self) -> TokenBackend:
        return KeyTableBackend()


class AccessToken(SignedToken):
    token_type = "access"  # noqa: S105
    lifetime = ACCESS_LIFE

    @classmethod
    def of(cls, user: User, session: UUID) -> "AccessToken":
        """A token of the sign-in ``session``; its time of issue is after every revocation of the account."""
        token = cls()
        token["iat"] = max(token["iat"], first_second(user.id))
        token["sub"] = str(user.id)
        token["sid"] = str(session)
        token["roles"] = sorted(user.roles_held)
        token["email"] = user.email
        token["name"] = user.name
        return token


class ServiceToken(SignedToken):
    token_type = "service"  # noqa: S105
    lifetime = SERVICE_LIFE

    @classmethod
    def of(cls, service: str) -> "ServiceToken":
        token = cls()
        token["iat"] = max(token["iat"], first_second(service))
        token["sub"] = service
        return token


class RefreshToken(SignedToken):
    token_type = "refresh"  # noqa: S105
    lifetime = REFRESH_LIFE

    @classmethod
    def of(cls, user: User) -> "RefreshToken":
        token = cls()
        token["sub"] = str(user.id)
        return token

    @classmethod
    def read(cls, text: str) -> "RefreshToken":
        """Raises InvalidToken unless ``text`` is a refresh token of users that has not expired."""
        try:
            return cls(text)  # type: ignore[arg-type]  # simplejwt takes the encoded text here
        except TokenError as error:
            raise InvalidToken("The refresh token is invalid or has expired: sign in again.") from error

    @property
    def id(self) -> UUID:
        return UUID(self["jti"])

    @property
    def user_id(self) -> UUID:
        return UUID(self["sub"])
