"""Who is calling (docs/decisions/0003, 0053): a service by HTTP Basic, or a person by bearer token."""

import base64
import binascii
import hashlib
import secrets
import time
from collections import OrderedDict

from atoll.errors import NotAllowed, NotSignedIn
from atoll.identity import verify
from atoll.identity.roles import OPERATOR, SUPPORT
from registry.http.failures import UNKNOWN, Failures
from registry.http.keys import Keys
from registry.http.lanes import PEOPLE
from registry.http.messages import Request
from registry.usecases.credentials import InvalidCredential, Key, may_write

MAX_HEADER_CHARACTERS = 4096
# How long a token that was verified passes without being verified again, and how many do. Short:
# whoever is locked out must be out within seconds.
TOKEN_REMEMBERED_S = 3.0
MAX_TOKENS = 1024
# Whom a bearer token's reader is counted as.
PERSON = "bearer"


class Doorkeeper:
    """Lets services and people in. A valid credential is looked up in memory first, whatever
    other callers do; only a wrong one is counted, and answered late."""

    def __init__(self, keys: Keys, failures: Failures) -> None:
        self._keys = keys
        self._failures = failures
        self._secret = secrets.token_bytes(32)
        self._tokens: OrderedDict[bytes, float] = OrderedDict()

    async def service(self, request: Request) -> Key:
        """Raises InvalidCredential or TooManyRequests, both late."""
        name = UNKNOWN
        try:
            name, secret = _basic(request.headers.get("authorization", ""))
            return await self._keys.verify(name, secret)
        except InvalidCredential as error:
            service = name if self._keys.knows_service(name) else UNKNOWN
            await self._failures.refuse(request, service, error)
            raise

    async def reader(self, request: Request) -> str:
        """Passes any service's credential, any service's token, support and operators; who is counted."""
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return (await self.service(request)).service
        token = value.strip()
        remembered = hashlib.blake2b(token.encode(), key=self._secret, digest_size=16).digest()
        if self._tokens.get(remembered, 0.0) > time.monotonic():
            return PERSON
        try:
            principal = await PEOPLE.run(verify, token)
        except (NotSignedIn, NotAllowed) as error:
            await self._failures.refuse(request, UNKNOWN, error)
            raise
        if not (principal.is_service or principal.holds_one_of(SUPPORT, OPERATOR)):
            raise NotAllowed("Only services, support and operators may see where services run.")
        self._remember(remembered)
        return PERSON

    def _remember(self, token: bytes) -> None:
        self._tokens[token] = time.monotonic() + TOKEN_REMEMBERED_S
        if len(self._tokens) > MAX_TOKENS:
            self._tokens.popitem(last=False)


def check_name(key: Key, service_name: str) -> None:
    """Raises NotAllowed for a name that the credential may not write for."""
    if not may_write(key, service_name):
        raise NotAllowed(
            f"The credential of {key.service} cannot write for {service_name}.", code="not_your_service"
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
