"""Django REST framework: authentication by bearer token, and the permissions of the platform.

``IsSignedIn`` and the classes named after roles admit users, ``IsService`` admits services. A view
for both declares a class that admits both.
"""

import re
from typing import TYPE_CHECKING, Any, ClassVar, Protocol
from uuid import UUID

from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from atoll.errors import NotAllowed, NotSignedIn, Refusal, Unavailable
from atoll.identity.foreign.trusted import trusted
from atoll.identity.principal import Principal
from atoll.identity.tokens import InvalidToken
from atoll.identity.verification import verify

if TYPE_CHECKING:
    # REST framework imports this module, its default, while it imports its views.
    from rest_framework.views import APIView

__all__ = [
    "BearerAuthentication",
    "IsAdmin",
    "IsCatalogue",
    "IsCatalogueOrReadOnly",
    "IsOperator",
    "IsService",
    "IsServiceOrSupport",
    "IsSignedIn",
    "IsSignedInOrService",
    "IsSupport",
    "SignInNeeded",
    "owner_or_support",
    "principal",
    "principal_or_none",
]

BEARER = re.compile(r"bearer (?P<token>\S+)", re.IGNORECASE)
CHALLENGE = 'Bearer realm="atoll"'
OWN_HANDLER = "atoll.api.errors.exception_handler"


class SignInNeeded(NotSignedIn):
    """The request has no access token."""

    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": CHALLENGE}

    def __init__(self, message: str = "") -> None:
        super().__init__(message or _where_to_sign_in())


def _where_to_sign_in() -> str:
    foreign = trusted()
    if foreign is not None and foreign.is_alone:
        return f"Send an access token of {foreign.issuer.issuer} as 'Authorization: Bearer ...'."
    return "Sign in at /auth/token and send the token as 'Authorization: Bearer ...'."


class Answered(APIException):
    """An error of Atoll for a project whose exception handler is not Atoll's."""

    def __init__(self, error: Refusal | Unavailable) -> None:
        code = error.code if isinstance(error, Refusal) else error.default_code
        title = error.error if isinstance(error, Refusal) else error.title
        super().__init__({"error": title, "message": error.message, "code": code})
        self.status_code = error.status
        self.auth_header = getattr(error, "headers", {}).get("WWW-Authenticate")


def answerable(error: Refusal | Unavailable) -> Exception:
    """The error in a form that the project's exception handler answers, and not with a 500."""
    handler = getattr(settings, "REST_FRAMEWORK", {}).get("EXCEPTION_HANDLER")
    return error if handler == OWN_HANDLER else Answered(error)


class BearerAuthentication(BaseAuthentication):
    """``Authorization: Bearer <token>`` (RFC 6750): one header with one token.

    A request without the header is anonymous. Another scheme is 401. A bearer header that is malformed or
    repeated, or that holds a bad token, is 403, also where anonymous reading is allowed: the sender
    should learn that the token is bad.
    """

    def authenticate(self, request: Request) -> tuple[Principal, str] | None:
        try:
            return self._proven(request)
        except (Refusal, Unavailable) as error:
            raise answerable(error) from error

    def _proven(self, request: Request) -> tuple[Principal, str] | None:
        header: str = request._request.META.get("HTTP_AUTHORIZATION", "")
        if not header.strip():
            return None
        scheme = header.split(None, 1)[0]
        if scheme.lower() != "bearer":
            raise SignInNeeded(f"The scheme of Authorization must be Bearer, not {scheme[:16]!r}.")
        match = BEARER.fullmatch(header)
        if match is None:
            raise InvalidToken("Authorization must be 'Bearer' and one token, once.")
        token = match["token"]
        return verify(token), token

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class HasUser(Protocol):
    user: Any


def principal_or_none(request: HasUser) -> Principal | None:
    """The caller; None when the request is anonymous."""
    return request.user if isinstance(request.user, Principal) else None


def principal(request: HasUser) -> Principal:
    """The caller; raises NotSignedIn (401) when the request is anonymous."""
    found = principal_or_none(request)
    if found is None:
        raise answerable(SignInNeeded())
    return found


class _Needs(BasePermission):
    """Answer 401 to an anonymous request and 403 to others."""

    refusal = "Your account may not do this."

    def allows(self, caller: Principal) -> bool:
        raise NotImplementedError

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if not self.allows(principal(request)):
            raise answerable(NotAllowed(self.refusal))
        return True


class IsSignedIn(_Needs):
    """Any user; no service."""

    refusal = "This is for signed-in users, not for services."

    def allows(self, caller: Principal) -> bool:
        return caller.is_user


class IsSignedInOrService(_Needs):
    """Any user and any service."""

    def allows(self, caller: Principal) -> bool:
        return True


class IsSupport(_Needs):
    """Users with the role support."""

    refusal = "Only support may do this."

    def allows(self, caller: Principal) -> bool:
        return caller.is_support


class IsCatalogue(_Needs):
    """Users with the role catalogue."""

    refusal = "Only the role catalogue may do this."

    def allows(self, caller: Principal) -> bool:
        return caller.is_catalogue


class IsOperator(_Needs):
    """Users with the role operator."""

    refusal = "Only an operator may do this."

    def allows(self, caller: Principal) -> bool:
        return caller.is_operator


class IsAdmin(_Needs):
    """Users with the role admin."""

    refusal = "Only an administrator may do this."

    def allows(self, caller: Principal) -> bool:
        return caller.is_admin


class IsService(_Needs):
    """Services of the platform, and no user."""

    refusal = "Only services of the platform may do this."

    def allows(self, caller: Principal) -> bool:
        return caller.is_service


class IsServiceOrSupport(_Needs):
    """Services of the platform, and users with the role support."""

    refusal = "Only support and services of the platform may do this."

    def allows(self, caller: Principal) -> bool:
        return caller.is_service or caller.is_support


class IsCatalogueOrReadOnly(IsCatalogue):
    """Everybody may read, also without a token."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        return request.method in SAFE_METHODS or super().has_permission(request, view)


def owner_or_support(caller: Principal, user_id: UUID | str) -> bool:
    """Whether the caller is this user, or support. False for a service.

    Answer 404 when it is False: 403 would show that the thing exists.
    """
    return caller.is_support or (caller.is_user and caller.id == str(user_id))
