"""Ask for a new password."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from atoll.bus import schedule
from services.users.events import SendPasswordReset
from services.users.models import PasswordReset, User
from services.users.password_resets import account_state, kept_for

FORGOTTEN_AT_ONCE = 100


def request_password_reset(email: str) -> None:
    """Note the request and have a mail sent, if an active account has this address.

    The worker finds out whether one has: here the same rows are written for every address, so neither the
    answer nor its time tells. Side effect: requests that are over are forgotten.
    """
    with transaction.atomic():
        over = PasswordReset.objects.filter(created_at__lt=timezone.now() - kept_for())
        over = over.select_for_update(skip_locked=True)
        PasswordReset.objects.filter(
            id__in=list(over.values_list("id", flat=True)[:FORGOTTEN_AT_ONCE])
        ).delete()
        user = User.objects.by_email(email)
        reset = PasswordReset.objects.create(user=user, account_state=account_state(user))
        schedule(SendPasswordReset(reset.id), after=timedelta(0))
