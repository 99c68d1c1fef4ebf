"""Open a sign-in of a browser in the admins."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from services.users.models import RefreshFamily, User


def open_sign_in(user: User) -> RefreshFamily:
    """It lasts as long as a session of an admin. Side effect: deletes the user's expired sign-ins."""
    now = timezone.now()
    with transaction.atomic():
        user.refresh_families.filter(expires_at__lt=now).delete()
        return RefreshFamily.objects.create(
            user=user,
            in_browser=True,
            created_at=now,
            expires_at=now + timedelta(seconds=settings.SESSION_COOKIE_AGE),
        )
