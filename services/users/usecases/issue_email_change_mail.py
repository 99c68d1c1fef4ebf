"""Make a mail about a change of an account's address."""

from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import F, Func, QuerySet, Value

from services.users.email_changes import pending_changes
from services.users.mailed_tokens import hash_token, new_token
from services.users.models import EmailChange


@dataclass(frozen=True)
class EmailChangeMail:
    """The content of one mail; only the mail to confirm has a ``token``, which is not stored."""

    kind: EmailChange.Mail
    to: str
    new_email: str
    token: str = ""


def issue_email_change_mail(change_id: UUID, mail: str) -> EmailChangeMail | None:
    """``mail`` is a value of EmailChange.Mail. A new token replaces an earlier token of the change.

    None if no mail is needed: the change has ended or is of the other kind, or this mail was sent.
    """
    with transaction.atomic():
        change = _waiting(mail).select_for_update(of=("self",)).filter(id=change_id).first()
        if change is None:
            return None
        kind = EmailChange.Mail(mail)
        to_former = kind in (EmailChange.Mail.REQUESTED, EmailChange.Mail.CHANGED_FORMER)
        to = change.former_email if to_former else change.email
        if kind != EmailChange.Mail.CONFIRM:
            return EmailChangeMail(kind, to, change.email)
        token = new_token()
        change.token_hash = hash_token(token)
        change.save(update_fields=["token_hash"])
        return EmailChangeMail(kind, to, change.email, token)


def note_email_change_mail_sent(change_id: UUID, mail: str) -> None:
    """Side effect: this mail is not sent again."""
    unsent = EmailChange.objects.filter(id=change_id).exclude(sent__contains=[mail])
    unsent.update(sent=Func(F("sent"), Value(mail), function="array_append"))


def _waiting(mail: str) -> QuerySet[EmailChange]:
    """The changes that this mail is about and that have not sent it."""
    if mail in (EmailChange.Mail.CONFIRM, EmailChange.Mail.REQUESTED):
        found = pending_changes()
    elif mail in EmailChange.Mail:
        found = EmailChange.objects.exclude(made_at=None)
    else:
        found = EmailChange.objects.none()
    return found.exclude(sent__contains=[mail])
