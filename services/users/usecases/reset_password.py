"""Set a new password with the token of a mail."""

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from atoll.errors import InvalidInput
from services.users.mailed_tokens import hash_token
from services.users.models import PasswordReset, User
from services.users.password_resets import is_valid
from services.users.passwords import require_good_password
from services.users.usecases.update_user import Changes, update_user


class InvalidResetToken(InvalidInput):
    """The token is wrong, expired, used, replaced, or older than the account's password or address."""

    title = "Invalid or expired token"
    default_code = "invalid_reset_token"

    def __init__(self) -> None:
        super().__init__("This token is not valid any more. Ask for another mail.")


def reset_password(token: str, password: str) -> None:
    """Set the password, end every session of the account and use up the token.

    Raises InvalidResetToken, and InvalidInput for a weak password, after which the token is still
    valid. If several calls use one token, one of them succeeds.
    """
    user = _account(token)
    require_good_password(password, user)
    password_hash = make_password(password)
    with transaction.atomic():
        User.objects.select_for_update().filter(id=user.id).first()
        again = _account(token)
        PasswordReset.objects.filter(user=again).delete()
        update_user(again.id, Changes(password_hash=password_hash))


def _account(token: str) -> User:
    reset = (
        PasswordReset.objects.select_related("user")
        .filter(token_hash=hash_token(token), expires_at__gt=timezone.now())
        .first()
    )
    if reset is None or reset.user is None or not is_valid(reset):
        raise InvalidResetToken()
    return reset.user
