"""Authenticates callers: services by HTTP Basic, people by bearer token (docs/decisions/0003, 0053)."""

import base64
import binascii
import hashlib
import secrets
import time
from collections import OrderedDict

from atoll.errors import NotAllowed, NotSignedIn
from atoll.identity import verify
from atoll.identity.roles import OPERATOR, SUPPORT
from registry.http.credentials import CredentialCache
from registry.http.messages import Request
from registry.http.pools import PEOPLE
from registry.http.wrong_credentials import UNKNOWN, WrongCredentials
from registry.usecases.credentials import ActiveCredential, InvalidCredential, may_write

MAX_HEADER_CHARACTERS = 4096
# A verified token passes so long without a second verification. Short, so that a person who was
# locked out is out within seconds.
TOKEN_CACHED_S = 3.0
MAX_CACHED_TOKENS = 1024
# Limits count all people as one caller.
PERSON = "bearer"


class Doorkeeper:
    """Looks a credential up in memory first. Only a wrong one is counted, and its answer delayed."""

    def __init__(self, credentials: CredentialCache, wrong_credentials: WrongCredentials) -> None:
        self._credentials = credentials
        self._wrong_credentials = wrong_credentials
        self._secret = secrets.token_bytes(32)
        self._tokens: OrderedDict[bytes, float] = OrderedDict()

    async def service(self, request: Request) -> ActiveCredential:
        """Raises InvalidCredential or TooManyRequests, both after the delay."""
        name = UNKNOWN
        try:
            name, secret = _basic(request.headers.get("authorization", ""))
            return await self._credentials.verify(name, secret)
        except InvalidCredential as error:
            service = name if self._credentials.knows_service(name) else UNKNOWN
            await self._wrong_credentials.refuse(request, service, error)
            raise

    async def reader(self, request: Request) -> str:
        """The caller's name for limits. Services, support and operators may read.

        Raises InvalidCredential, NotSignedIn, NotAllowed and TooManyRequests.
        """
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return (await self.service(request)).service
        token = value.strip()
        cached = hashlib.blake2b(token.encode(), key=self._secret, digest_size=16).digest()
        if self._tokens.get(cached, 0.0) > time.monotonic():
            return PERSON
        try:
            principal = await PEOPLE.run(verify, token)
        except (NotSignedIn, NotAllowed) as error:
            await self._wrong_credentials.refuse(request, UNKNOWN, error)
            raise
        if not (principal.is_service or principal.holds_one_of(SUPPORT, OPERATOR)):
            raise NotAllowed("Only services, support and operators may see where services run.")
        self._cache(cached)
        return PERSON

    def _cache(self, token: bytes) -> None:
        self._tokens[token] = time.monotonic() + TOKEN_CACHED_S
        if len(self._tokens) > MAX_CACHED_TOKENS:
            self._tokens.popitem(last=False)


def check_name(credential: ActiveCredential, service_name: str) -> None:
    """Raises NotAllowed for a name that the credential may not write for."""
    if not may_write(credential, service_name):
        raise NotAllowed(
            f"The credential of {credential.service} cannot write for {service_name}.",
            code="not_your_service",
        )


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    try:
        if scheme.lower() != "basic" or len(encoded) > MAX_HEADER_CHARACTERS:
            raise ValueError("not HTTP Basic")
        name, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        if not colon or "\0" in name:
            raise ValueError("no name and secret")
    except (ValueError, binascii.Error) as error:
        raise InvalidCredential("Send HTTP Basic with the service's name and its SERVICE_SECRET.") from error
    return name, secret
