"""``/auth``: registration, sign-in, sign-out and tokens."""

import functools
from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from atoll import wire
from atoll.api.idempotency import IdempotentRequest, idempotent
from atoll.identity import InvalidToken
from services.users.api import limits
from services.users.api.serializers import (
    CredentialsSerializer,
    RefreshSerializer,
    RegistrationSerializer,
    SignedInSerializer,
    TokensSerializer,
    UserSerializer,
)
from services.users.models import User
from services.users.tokens import RefreshToken
from services.users.usecases.check_credentials import WrongCredentials, check_credentials
from services.users.usecases.end_sessions import end_session
from services.users.usecases.refresh_session import refresh_session
from services.users.usecases.register_user import EmailTaken, prepare_user, register_user
from services.users.usecases.start_session import TokenPair, start_session


class OpenView(APIView):
    """Open to everybody; ignores bearer tokens. No cache may store the answers: they contain secrets."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        answer = super().finalize_response(request, response, *args, **kwargs)
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer


def then_sign_in(create: Callable[..., Any]) -> Callable[..., Any]:
    """Add new tokens to the account in the answer of ``create``.

    A repeat with the same Idempotency-Key gets the stored account and new tokens for the password
    in its body, so no token is stored.
    """

    @functools.wraps(create)
    def answer(view: APIView, request: Request, *args: Any, **kwargs: Any) -> Response:
        created = create(view, request, *args, **kwargs)
        given: Any = request.data
        stored = created.data if isinstance(created, Response) else wire.loads(created.content)
        user = check_credentials(given["email"], given["password"])
        limits.remember_source(request, user)
        replayed = {name: value for name, value in created.items() if name == "Idempotency-Replayed"}
        return Response(
            {"user": stored, **_tokens(start_session(user))}, status=created.status_code, headers=replayed
        )

    return answer


class RegisterView(OpenView):
    @extend_schema(request=RegistrationSerializer, responses={201: SignedInSerializer})
    @then_sign_in
    @idempotent
    def post(self, request: IdempotentRequest) -> Response:
        limits.REGISTER.check(request)
        given = _valid(RegistrationSerializer, request)
        limits.REGISTER.check_account(request, given["email"])
        user = prepare_user(**given)
        try:
            with request.idempotency.transaction() as keep:
                return keep(Response(UserSerializer(register_user(user)).data, status=201))
        except EmailTaken:
            limits.REGISTER.failed(request, given["email"])
            raise


class TokenView(OpenView):
    @extend_schema(request=CredentialsSerializer, responses=SignedInSerializer)
    def post(self, request: Request) -> Response:
        limits.SIGN_IN.check(request)
        given = _valid(CredentialsSerializer, request)
        limits.SIGN_IN.check_account(request, given["email"])
        try:
            user = check_credentials(given["email"], given["password"])
        except WrongCredentials:
            limits.SIGN_IN.failed(request, given["email"])
            raise
        limits.remember_source(request, user)
        return Response(_signed_in(user))


class RefreshView(OpenView):
    @extend_schema(request=RefreshSerializer, responses=TokensSerializer)
    def post(self, request: Request) -> Response:
        limits.REFRESH.check(request)
        given = _valid(RefreshSerializer, request)
        token = RefreshToken.read(given["refresh_token"])
        account = str(token.user_id)
        limits.REFRESH.check_account(request, account)
        try:
            return Response(_tokens(refresh_session(token)))
        except InvalidToken:
            limits.REFRESH.failed(request, account)
            raise


class LogoutView(OpenView):
    @extend_schema(request=RefreshSerializer, responses={204: None})
    def post(self, request: Request) -> Response:
        """End the sign-in of the token. An invalid token gets the same answer (RFC 7009)."""
        limits.SIGN_OUT.check(request)
        given = _valid(RefreshSerializer, request)
        try:
            end_session(RefreshToken.read(given["refresh_token"]))
        except InvalidToken:
            return Response(status=204)
        return Response(status=204)


def _signed_in(user: User) -> dict[str, Any]:
    return {**_tokens(start_session(user)), "user": UserSerializer(user).data}


def _tokens(pair: TokenPair) -> dict[str, Any]:
    return {
        "access_token": pair.access_token,
        "refresh_token": pair.refresh_token,
        "expires_in": pair.expires_in_s,
    }


def _valid(serializer_class: type[Any], request: Request) -> dict[str, Any]:
    serializer = serializer_class(data=request.data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)
