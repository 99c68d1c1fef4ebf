"""``/auth/email-change``: confirm the new address of an account. ``PATCH /users/ID`` asks for it."""

from django.http import HttpRequest
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from atoll.errors import Unavailable
from services.users import mail
from services.users.api import limits
from services.users.api.auth import OpenView
from services.users.api.serializers import MailedTokenSerializer
from services.users.models import User
from services.users.usecases.confirm_email_change import confirm_email_change


def check_email_request(request: HttpRequest, user: User) -> None:
    """Raises Unavailable without a mail server, and TooManyRequests. Every request counts."""
    if not mail.can_be_sent():
        raise Unavailable("user-service", "no email can be confirmed here: no mail server is set")
    account = str(user.id)
    limits.EMAIL_CHANGE.check(request, account)
    limits.EMAIL_CHANGE.failed(request, account)


class EmailConfirmationView(OpenView):
    @extend_schema(request=MailedTokenSerializer, responses={204: None})
    def post(self, request: Request) -> Response:
        """Set the new address of the account that the token was mailed for."""
        limits.CONFIRM_EMAIL.check(request)
        given = MailedTokenSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        confirm_email_change(given.validated_data["token"])
        return Response(status=204)
