"""When the token of a password reset counts."""

import hashlib
import secrets
from datetime import timedelta

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from services.users.models import PasswordReset, User

SALT = "services.users.password-reset"
# A request whose mail could not be sent for so long is given up.
MAIL_WITHIN = timedelta(days=1)


def new_token() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """SHA-256: enough for long random tokens, never for passwords."""
    return hashlib.sha256(token.encode()).hexdigest()


def kept_for() -> timedelta:
    """From the request on: until its token, made at the last moment, has expired."""
    life: timedelta = settings.PASSWORD_RESET_LIFE
    return MAIL_WITHIN + life


def account_state(user: User | None) -> str:
    """What changes with the password and with the address, in 64 characters; the same work for None."""
    who = f"{user.id} {user.email} {user.password}" if user else ""
    return salted_hmac(SALT, who, algorithm="sha256").hexdigest()


def counts(reset: PasswordReset) -> bool:
    """Whether its account is active and as it was at the request, and no later request was made for it."""
    user = reset.user
    return (
        user is not None
        and user.is_active
        and constant_time_compare(account_state(user), reset.account_state)
        and not PasswordReset.objects.filter(user=user, id__gt=reset.id).exists()
    )
