"""Requests for a new password, and their validity."""

from datetime import timedelta

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from services.users.models import PasswordReset, User

SALT = "services.users.password-reset"
# After this time no mail is sent for a request.
MAIL_WITHIN = timedelta(days=1)


def kept_for() -> timedelta:
    """How long a request is stored: the last moment of its mail plus the life of the token."""
    life: timedelta = settings.PASSWORD_RESET_LIFE
    return MAIL_WITHIN + life


def account_state(user: User | None) -> str:
    """64 characters that change with the password and the address. None takes the same time."""
    account = f"{user.id} {user.email} {user.password}" if user else ""
    return salted_hmac(SALT, account, algorithm="sha256").hexdigest()


def is_valid(reset: PasswordReset) -> bool:
    """Whether the account is active, is unchanged since the request and has no later request."""
    user = reset.user
    return (
        user is not None
        and user.is_active
        and constant_time_compare(account_state(user), reset.account_state)
        and not PasswordReset.objects.filter(user=user, id__gt=reset.id).exists()
    )
