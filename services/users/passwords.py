"""The rules for a new password."""

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from atoll.errors import InvalidInput
from services.users.hashing import spelled
from services.users.models import User


def require_good_password(password: str, user: User, *, field: str = "password") -> None:
    """Raises InvalidInput with the broken rules; one of them forbids similarity to ``user``."""
    try:
        validate_password(spelled(password), user)
    except ValidationError as error:
        raise InvalidInput(
            " ".join(error.messages), code="weak_password", details={field: error.messages}
        ) from None
