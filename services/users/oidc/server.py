"""The authorization and token endpoints of django-oauth-toolkit, without its pages."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from django.http import HttpRequest
from oauth2_provider.exceptions import FatalClientError, OAuthToolkitError
from oauth2_provider.oauth2_backends import OAuthLibCore
from oauth2_provider.settings import oauth2_settings

from services.users.models import RefreshFamily


class BadRequestOfClient(Exception):
    """The client or its address is not registered: the browser must not be sent there."""


class Answered(Exception):
    """The request is refused; ``location`` tells the client by OAuth's ``error`` parameter."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location


@cache
def _core() -> OAuthLibCore:
    return OAuthLibCore(
        oauth2_settings.OAUTH2_SERVER_CLASS(
            oauth2_settings.OAUTH2_VALIDATOR_CLASS(), **oauth2_settings.server_kwargs
        )
    )


def check_authorization(request: HttpRequest) -> tuple[list[str], dict[str, Any]]:
    """Scopes and credentials of a valid request. Raises BadRequestOfClient or Answered."""
    try:
        scopes, credentials = _core().validate_authorization_request(request)
    except FatalClientError as error:
        raise BadRequestOfClient(error.oauthlib_error.error) from error
    except OAuthToolkitError as error:
        raise _answered(error) from error
    return list(scopes), dict(credentials)


def grant_code(request: HttpRequest, sign_in: RefreshFamily) -> str:
    """The address of the client with a code for this sign-in. Raises BadRequestOfClient or Answered."""
    scopes, credentials = check_authorization(request)
    try:
        location, _headers, _body, _status = _core().create_authorization_response(
            request, scopes, {**credentials, "sid": str(sign_in.id)}, allow=True
        )
    except FatalClientError as error:
        raise BadRequestOfClient(error.oauthlib_error.error) from error
    except OAuthToolkitError as error:
        raise _answered(error) from error
    return str(location)


def exchange_code(request: HttpRequest) -> tuple[int, str, Mapping[str, str]]:
    """Status, JSON and headers of the token endpoint's answer (RFC 6749 §5)."""
    _location, headers, body, status = _core().create_token_response(request)
    return status, str(body), headers


def _answered(error: OAuthToolkitError) -> Exception:
    """The redirect with the error. An address that was not checked cannot be in it."""
    told = error.oauthlib_error
    if not told.redirect_uri:
        return BadRequestOfClient(told.error)
    return Answered(told.in_uri(told.redirect_uri))
