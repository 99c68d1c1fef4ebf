"""Changes of an account's address that are not confirmed yet, and their validity."""

from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from services.users.models import EmailChange

# A token is valid for this time after the request. A person may read the new mailbox on another day.
CONFIRM_WITHIN = timedelta(days=1)
# How long a row is stored: a change at the last moment leaves the worker a day for its mails.
KEPT_FOR = CONFIRM_WITHIN + timedelta(days=1)


def pending_changes() -> QuerySet[EmailChange]:
    return EmailChange.objects.filter(
        made_at=None, created_at__gt=timezone.now() - CONFIRM_WITHIN, user__is_active=True
    )
