"""Request a mail with a token for a new password."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from atoll.bus import schedule
from services.users.events import SendPasswordReset
from services.users.models import PasswordReset, User
from services.users.password_resets import account_state, kept_for

DELETED_AT_ONCE = 100


def request_password_reset(email: str) -> None:
    """Store the request and its command. The worker sends a mail if an active account has the address.

    The same rows are written for every address, so neither the answer nor its time tells whether an
    account exists. Side effect: deletes expired requests.
    """
    with transaction.atomic():
        expired = PasswordReset.objects.filter(created_at__lt=timezone.now() - kept_for())
        expired = expired.select_for_update(skip_locked=True)
        PasswordReset.objects.filter(
            id__in=list(expired.values_list("id", flat=True)[:DELETED_AT_ONCE])
        ).delete()
        user = User.objects.by_email(email)
        reset = PasswordReset.objects.create(user=user, account_state=account_state(user))
        schedule(SendPasswordReset(reset.id), after=timedelta(0))
