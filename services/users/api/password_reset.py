"""``/auth/password-reset``: a new password in place of a forgotten one."""

from django.http import HttpRequest
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from atoll.errors import Unavailable
from services.users import mail
from services.users.api import limits
from services.users.api.auth import OpenView
from services.users.api.serializers import (
    AcceptedSerializer,
    NewPasswordSerializer,
    PasswordResetSerializer,
)
from services.users.usecases.request_password_reset import request_password_reset
from services.users.usecases.reset_password import reset_password

ACCEPTED = "If an active account has this email, a mail is on its way to it."


def accept_request(request: HttpRequest, email: str) -> None:
    """Raises TooManyRequests. Every request counts and not only failures, because each may send a mail."""
    limits.PASSWORD_RESET.check_account(request, email)
    limits.PASSWORD_RESET.failed(request, email)
    request_password_reset(email)


class PasswordResetView(OpenView):
    @extend_schema(request=PasswordResetSerializer, responses={202: AcceptedSerializer})
    def post(self, request: Request) -> Response:
        """The answer and its time are the same with and without an account for the address."""
        if not mail.can_be_sent():
            raise Unavailable("user-service", "passwords cannot be reset here: no mail server is set")
        limits.PASSWORD_RESET.check(request)
        given = PasswordResetSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        accept_request(request, given.validated_data["email"])
        return Response({"message": ACCEPTED}, status=202)


class NewPasswordView(OpenView):
    @extend_schema(request=NewPasswordSerializer, responses={204: None})
    def post(self, request: Request) -> Response:
        """Set the password and end every session of the account."""
        limits.NEW_PASSWORD.check(request)
        given = NewPasswordSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        reset_password(**given.validated_data)
        return Response(status=204)
