"""Make the token of a password reset, for the mail."""

from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from services.users.models import PasswordReset
from services.users.password_resets import MAIL_WITHIN, counts, hash_token, new_token


@dataclass(frozen=True)
class ResetToken:
    """What the mail needs; ``token`` is kept nowhere."""

    email: str
    token: str


def issue_reset_token(request_id: UUID) -> ResetToken | None:
    """A token in place of any that was made for this request before; None when no mail is to be sent.

    None: no active account had the address, the account changed its password or address since or
    asked again, the mail was sent, or the request is a day old.
    """
    now = timezone.now()
    with transaction.atomic():
        reset = (
            PasswordReset.objects.select_for_update(of=("self",))
            .select_related("user")
            .filter(id=request_id, sent_at=None, created_at__gt=now - MAIL_WITHIN)
            .first()
        )
        if reset is None or reset.user is None or not counts(reset):
            return None
        token = new_token()
        reset.token_hash = hash_token(token)
        reset.expires_at = now + settings.PASSWORD_RESET_LIFE
        reset.save(update_fields=["token_hash", "expires_at"])
        return ResetToken(reset.user.email, token)


def note_mail_sent(request_id: UUID) -> None:
    """From here on no further mail is sent for this request."""
    PasswordReset.objects.filter(id=request_id, sent_at=None).update(sent_at=timezone.now())
