"""Who is calling (docs/decisions/0003): a service by HTTP Basic, or staff by bearer token."""

import base64
import binascii

from atoll.errors import NotAllowed
from atoll.identity import verify
from registry.models import Credential
from registry.usecases.credentials import InvalidCredential, check, may_write
from registry.wire import limits
from registry.wire.messages import Request

MAX_HEADER_CHARACTERS = 4096


def writer(request: Request, service_name: str) -> Credential:
    """The credential that may write for this name.

    Raises InvalidCredential without a valid one, NotAllowed for another service's,
    TooManyRequests for an address that guesses.
    """
    credential = _service(request)
    if not may_write(credential, service_name):
        raise NotAllowed(
            f"The credential of {credential.service} cannot write for {service_name}.",
            code="not_your_service",
        )
    return credential


def reader(request: Request) -> None:
    """Passes any service credential, any service's token and staff. Raises like `writer`."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        _service(request)
        return
    principal = verify(value.strip())
    if not (principal.is_service or principal.is_staff):
        raise NotAllowed("Only services and staff may see where services run.")


def _service(request: Request) -> Credential:
    limits.check_address(request)
    try:
        name, secret = _basic(request.headers.get("authorization", ""))
        return check(name, secret)
    except InvalidCredential:
        limits.note_failure(request)
        raise


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
