"""Ask the owner of an account for the present password, which the thief of a token does not know."""

from django.http import HttpRequest

from services.users import permissions
from services.users.api import limits
from services.users.models import User


def require_current_password(request: HttpRequest, user: User, given: str | None, *, to: str) -> None:
    """``CHANGE_PASSWORD`` limits the attempts for all purposes together; ``to`` is the purpose, for the text.

    Raises InvalidInput without a password, WrongPassword, and TooManyRequests.
    """
    limits.CHANGE_PASSWORD.check(request, str(user.id))
    try:
        permissions.check_current_password(user, given, to=to)
    except permissions.WrongPassword:
        limits.CHANGE_PASSWORD.failed(request, str(user.id))
        raise
