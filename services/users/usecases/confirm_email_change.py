"""Give an account its new address with the token of a mail."""

from django.db import transaction

from atoll.errors import InvalidInput
from services.users.email_changes import pending_changes
from services.users.mailed_tokens import hash_token
from services.users.models import EmailChange, User
from services.users.usecases.update_user import Changes, update_user


class InvalidEmailToken(InvalidInput):
    """The token is wrong, expired, used, replaced or withdrawn, or the account's sessions have ended."""

    title = "Invalid or expired token"
    default_code = "invalid_email_token"

    def __init__(self) -> None:
        super().__init__("This token is not valid any more. Change the email of the account again.")


def confirm_email_change(token: str) -> None:
    """Set the address, announce it, tell both addresses and use up the token.

    Raises InvalidEmailToken, and EmailTaken if another account has the address by now. If several
    calls use one token, one of them succeeds.
    """
    with transaction.atomic():
        User.objects.select_for_update().filter(id=_change(token).user_id).first()
        # The first look was without the lock; the change may have ended since.
        change = _change(token)
        update_user(change.user_id, Changes(email=change.email))


def _change(token: str) -> EmailChange:
    change = pending_changes().filter(token_hash=hash_token(token)).first()
    if change is None:
        raise InvalidEmailToken()
    return change
