"""Addresses for services: service tokens, signing keys and revocations."""

import base64
import binascii
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.authentication import get_authorization_header
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from atoll.identity.jwks import FRESH_S
from services.users.api import limits
from services.users.api.auth import OpenView
from services.users.api.serializers import ClientCredentialsSerializer, ServiceTokenSerializer
from services.users.keys import key_set
from services.users.revocations import document
from services.users.tokens import SERVICE_LIFE
from services.users.usecases.grant_service_token import WrongSecret, grant_service_token


class ServiceTokenView(OpenView):
    @extend_schema(request=ClientCredentialsSerializer, responses=ServiceTokenSerializer)
    def post(self, request: Request) -> Response:
        """Takes the credential by HTTP Basic (RFC 6749 §2.3.1) or as JSON; Basic has priority."""
        limits.SERVICE_TOKEN.check(request)
        service, secret = _basic(request) or _json(request)
        limits.SERVICE_TOKEN.check_account(request, service)
        try:
            token = grant_service_token(service, secret)
        except WrongSecret:
            limits.SERVICE_TOKEN.failed(request, service)
            raise
        return Response({"access_token": token, "expires_in": int(SERVICE_LIFE.total_seconds())})


class KeySetView(APIView):
    """The public keys as a JWK set (RFC 7517); caches may keep it for five minutes."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(responses={200: dict[str, Any]})
    def get(self, request: Request) -> Response:
        return Response(key_set(), headers={"Cache-Control": f"public, max-age={int(FRESH_S)}"})


class RevocationsView(APIView):
    """The list of revocations; every verifier of tokens reads it every other second."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(responses={200: dict[str, Any]})
    def get(self, request: Request) -> Response:
        return Response(document(), headers={"Cache-Control": "no-store"})


def _basic(request: Request) -> tuple[str, str] | None:
    """Name and secret from the Authorization header; None without Basic. Raises WrongSecret."""
    scheme, _space, encoded = get_authorization_header(request).partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        service, colon, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise WrongSecret() from None
    if not colon or "\0" in service:
        raise WrongSecret()
    return service, secret


def _json(request: Request) -> tuple[str, str]:
    serializer = ClientCredentialsSerializer(data=request.data)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data["client_id"], serializer.validated_data["client_secret"]
