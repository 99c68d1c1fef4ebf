"""Ask for a new address of an account, which is to be confirmed by mail."""

from datetime import timedelta

from django.utils import timezone

from atoll.bus import schedule
from services.users.email_changes import KEPT_FOR
from services.users.events import SendEmailChangeMail
from services.users.models import EmailChange, User

DELETED_AT_ONCE = 100


def request_email_change(user: User, email: str) -> None:
    """Store the request in place of an earlier one; the present address only withdraws that one.

    The caller has locked the account's row. Nothing tells whether another account has the address.
    Side effect: deletes old rows of all accounts.
    """
    EmailChange.objects.filter(user=user, made_at=None).delete()
    delete_old_changes()
    if email != user.email:
        change = EmailChange.objects.create(user=user, email=email, former_email=user.email)
        schedule_mails(change, EmailChange.Mail.CONFIRM, EmailChange.Mail.REQUESTED)


def delete_old_changes() -> None:
    old = EmailChange.objects.filter(created_at__lt=timezone.now() - KEPT_FOR)
    old = old.select_for_update(skip_locked=True)
    EmailChange.objects.filter(id__in=list(old.values_list("id", flat=True)[:DELETED_AT_ONCE])).delete()


def schedule_mails(change: EmailChange, *mails: EmailChange.Mail) -> None:
    for mail in mails:
        schedule(SendEmailChangeMail(change.id, mail.value), after=timedelta(0))
