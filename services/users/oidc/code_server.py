"""The endpoints of oauthlib with one grant: the authorization code of OpenID Connect."""

from typing import Any

from oauthlib.oauth2.rfc6749.endpoints import AuthorizationEndpoint, TokenEndpoint
from oauthlib.oauth2.rfc6749.tokens import BearerToken
from oauthlib.openid.connect.core.grant_types import AuthorizationCodeGrant


class CodeServer(AuthorizationEndpoint, TokenEndpoint):
    """Any other grant is ``unsupported_grant_type``. No refresh token is made."""

    def __init__(self, request_validator: Any, token_expires_in: Any = None, **_: Any) -> None:
        grant = AuthorizationCodeGrant(request_validator)
        grant.refresh_token = False
        bearer = BearerToken(request_validator, expires_in=token_expires_in)
        AuthorizationEndpoint.__init__(
            self, default_response_type="code", response_types={"code": grant}, default_token_type=bearer
        )
        TokenEndpoint.__init__(
            self,
            default_grant_type="authorization_code",
            grant_types={"authorization_code": grant},
            default_token_type=bearer,
        )
