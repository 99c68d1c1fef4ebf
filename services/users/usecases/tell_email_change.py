"""Tell both addresses of an account that its address has changed."""

from django.conf import settings
from django.utils import timezone

from services.users.models import EmailChange, User
from services.users.usecases.request_email_change import delete_old_changes, schedule_mails


def tell_email_change(user: User, former_email: str) -> None:
    """Ends a change that waits for its confirmation. Sends nothing where no mail server is set.

    The caller has locked the account's row and has set the new address.
    """
    EmailChange.objects.filter(user=user, made_at=None).delete()
    delete_old_changes()
    if settings.EMAIL_BACKEND:
        change = EmailChange.objects.create(
            user=user, email=user.email, former_email=former_email, made_at=timezone.now()
        )
        schedule_mails(change, EmailChange.Mail.CHANGED_FORMER, EmailChange.Mail.CHANGED_NEW)
