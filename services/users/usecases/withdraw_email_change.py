"""Withdraw the new address of an account that waits for its confirmation."""

from uuid import UUID

from django.db import transaction

from services.users.models import EmailChange, User
from services.users.selectors import pending_email


def withdraw_email_change(user_id: UUID) -> str | None:
    """Delete the change, so that the token of its mail is refused. Returns its address; None if none waits.

    Locks the account's row, as the confirmation does.
    """
    with transaction.atomic():
        User.objects.select_for_update().filter(id=user_id).first()
        waiting = pending_email(user_id)
        EmailChange.objects.filter(user_id=user_id, made_at=None).delete()
        return waiting
