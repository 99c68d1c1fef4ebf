"""The rules of the authorization code at this issuer, for django-oauth-toolkit."""

import base64
import binascii
from typing import Any
from uuid import UUID

from oauth2_provider.models import Application
from oauth2_provider.oauth2_validators import OAuth2Validator

from services.users.models import RefreshFamily, User
from services.users.oidc.clients import may_return_to
from services.users.oidc.id_tokens import id_token
from services.users.selectors import live_sign_in
from services.users.usecases.grant_service_token import WrongSecret, check_secret


class Validator(OAuth2Validator):
    """Clients prove themselves with the credential of their service, by HTTP Basic alone.

    No access token is stored or accepted: the ID token is the whole result of a sign-in. A code holds the
    ``sid`` of the browser's sign-in, and is refused after that has ended.
    """

    def client_authentication_required(self, request: Any, *args: Any, **kwargs: Any) -> bool:
        return True

    def authenticate_client(self, request: Any, *args: Any, **kwargs: Any) -> bool:
        service, secret = _basic(request.headers.get("Authorization", ""))
        try:
            check_secret(service, secret)
        except WrongSecret:
            return False
        request.client = Application.objects.filter(client_id=service).first()
        if request.client is None:
            return False
        request.client_id = service
        return True

    def authenticate_client_id(self, client_id: str, request: Any, *args: Any, **kwargs: Any) -> bool:
        return False

    def validate_redirect_uri(
        self, client_id: str, redirect_uri: str, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        return may_return_to(request.client, redirect_uri)

    def is_pkce_required(self, client_id: str, request: Any) -> bool:
        return True

    def validate_silent_login(self, request: Any) -> bool:
        """The view has found a signed-in browser before it asks for a code."""
        return True

    def validate_silent_authorization(self, request: Any) -> bool:
        """The platform's own clients need no consent."""
        return True

    def save_authorization_code(
        self, client_id: str, code: Any, request: Any, *args: Any, **kwargs: Any
    ) -> None:
        request.claims = {"sid": request.sid}
        super().save_authorization_code(client_id, code, request, *args, **kwargs)

    def validate_code(
        self, client_id: str, code: str, client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        if not super().validate_code(client_id, code, client, request, *args, **kwargs):
            return False
        request.sign_in = live_sign_in(UUID(request.claims["sid"]))
        return request.sign_in is not None

    def validate_grant_type(
        self, client_id: str, grant_type: str, client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        return grant_type == "authorization_code"

    def validate_response_type(
        self, client_id: str, response_type: str, client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        return response_type == "code"

    def get_id_token(self, token: Any, token_handler: Any, request: Any) -> str:
        sign_in: RefreshFamily = request.sign_in
        user: User = sign_in.user
        return id_token(
            user,
            client_id=request.client.client_id,
            sid=sign_in.id,
            signed_in_at=sign_in.created_at,
            nonce=self.get_authorization_code_nonce(
                request.client.client_id, request.code, request.redirect_uri, request
            ),
        )

    def save_bearer_token(self, token: Any, request: Any, *args: Any, **kwargs: Any) -> None:
        """No token is kept, so none is accepted. A client gets one, as OAuth demands."""


def _basic(header: str) -> tuple[str, str]:
    """Name and secret of an HTTP Basic header; empty without one."""
    scheme, _space, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _colon, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return "", ""
    return ("", "") if "\0" in name else (name, secret)
