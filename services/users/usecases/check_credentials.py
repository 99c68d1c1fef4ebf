"""Check an email and a password."""

from django.contrib.auth.hashers import make_password

from atoll.errors import NotSignedIn
from services.users.hashing import spellings
from services.users.models import User


class WrongCredentials(NotSignedIn):
    title = "Invalid email or password"
    default_code = "invalid_credentials"

    def __init__(self) -> None:
        super().__init__("No active account has this email and password.")


def check_credentials(email: str, password: str) -> User:
    """The active account with this email and password.

    Raises WrongCredentials. The answer and its time do not tell whether the account is missing,
    is inactive or has another password.
    """
    user = User.objects.by_email(email)
    if user is None:
        for _ in spellings(password):
            make_password(password)
        raise WrongCredentials()
    if not user.check_password(password) or not user.is_active:
        raise WrongCredentials()
    return user
