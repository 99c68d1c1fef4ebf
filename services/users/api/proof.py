"""The owner of an account shows the present password again before what a thief of a token would do."""

from django.http import HttpRequest

from services.users import permissions
from services.users.api import limits
from services.users.models import User


def require_current_password(request: HttpRequest, user: User, given: str | None, *, to: str) -> None:
    """Every attempt is counted under ``CHANGE_PASSWORD``, whatever it is for; ``to`` says what for.

    Raises InvalidInput without a password, WrongPassword, and TooManyRequests.
    """
    limits.CHANGE_PASSWORD.check(request, str(user.id))
    try:
        permissions.check_current_password(user, given, to=to)
    except permissions.WrongPassword:
        limits.CHANGE_PASSWORD.failed(request, str(user.id))
        raise
