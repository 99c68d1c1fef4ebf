"""What the issuer tells programs: its discovery document, ID tokens for codes, and the end of sign-ins."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from atoll.identity.drf import IsService
from atoll.identity.oidc.configuration import issuer
from atoll.identity.oidc.own_issuer import AUTHORIZE_PATH, END_SESSION_PATH, TOKEN_PATH
from atoll.identity.tokens import ALGORITHM
from services.users.api import limits
from services.users.oidc.server import exchange_code
from services.users.selectors import live_sign_in

DISCOVERY_FRESH_S = 300


class DiscoveryView(APIView):
    """The discovery document (OpenID Connect Discovery 1.0 §3)."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(responses={200: dict[str, Any]})
    def get(self, request: Request) -> HttpResponse:
        name = issuer()
        document = {
            "issuer": name,
            "authorization_endpoint": f"{name}{AUTHORIZE_PATH}",
            "token_endpoint": f"{name}{TOKEN_PATH}",
            "end_session_endpoint": f"{name}{END_SESSION_PATH}",
            "jwks_uri": f"{name}/.well-known/jwks.json",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": ["openid", "email", "profile"],
            "prompt_values_supported": ["none"],
            "claims_supported": [
                *("iss", "sub", "aud", "iat", "exp", "auth_time", "nonce", "sid", "email", "name", "roles"),
            ],
        }
        # The names are those of the specification, so no renderer changes them.
        return JsonResponse(document, headers={"Cache-Control": f"public, max-age={DISCOVERY_FRESH_S}"})


@csrf_exempt
@never_cache
@require_POST
def token(request: HttpRequest) -> HttpResponse:
    """The token endpoint: an ID token for a code, its PKCE verifier and the client's credential.

    Answers and errors have the form of RFC 6749 §5, which client libraries expect, and not ours.
    """
    limits.SIGN_IN_TOKEN.check(request)
    status, body, headers = exchange_code(request)
    response = HttpResponse(body, status=status, content_type="application/json")
    for name, value in headers.items():
        if name.lower() in {"cache-control", "pragma", "www-authenticate"}:
            response[name] = value
    return response


class SignInView(APIView):
    """Whether a sign-in in the admins goes on; every admin asks this now and then."""

    permission_classes = (IsService,)

    @extend_schema(responses={200: dict[str, bool]})
    def get(self, request: Request, sign_in_id: UUID) -> Response:
        return Response({"is_active": live_sign_in(sign_in_id) is not None})
