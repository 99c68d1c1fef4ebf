"""Make the token of a password reset, for the mail."""

from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from services.users.mailed_tokens import hash_token, new_token
from services.users.models import PasswordReset
from services.users.password_resets import MAIL_WITHIN, is_valid


@dataclass(frozen=True)
class ResetToken:
    """The content of the mail; ``token`` is not stored."""

    email: str
    token: str


def issue_reset_token(request_id: UUID) -> ResetToken | None:
    """A token for the mail; it replaces an earlier token of the request.

    None if the request needs no mail: no active account has the address, the account has changed its
    password or address or has asked again, the mail was sent, or the request is a day old.
    """
    now = timezone.now()
    with transaction.atomic():
        reset = (
            PasswordReset.objects.select_for_update(of=("self",))
            .select_related("user")
            .filter(id=request_id, sent_at=None, created_at__gt=now - MAIL_WITHIN)
            .first()
        )
        if reset is None or reset.user is None or not is_valid(reset):
            return None
        token = new_token()
        reset.token_hash = hash_token(token)
        reset.expires_at = now + settings.PASSWORD_RESET_LIFE
        reset.save(update_fields=["token_hash", "expires_at"])
        return ResetToken(reset.user.email, token)


def note_mail_sent(request_id: UUID) -> None:
    """Side effect: no further mail is sent for this request."""
    PasswordReset.objects.filter(id=request_id, sent_at=None).update(sent_at=timezone.now())
