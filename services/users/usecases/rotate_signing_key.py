"""Make the next signing key the current one."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from atoll.errors import Conflict
from atoll.identity.jwks import UNKNOWN_KEY_EVERY_S
from services.users.keys import ensure_keys, make_key
from services.users.models import SigningKey
from services.users.tokens import REFRESH_LIFE

PUBLISH_AHEAD = timedelta(seconds=UNKNOWN_KEY_EVERY_S + 15)


class TooSoon(Conflict):
    default_code = "key_not_known_yet"

    def __init__(self, seconds: int) -> None:
        super().__init__(
            f"The next key was published a moment ago and not every service knows it. Try in {seconds} s."
        )


def rotate_signing_key(now: datetime | None = None) -> SigningKey:
    """The key that signs from now on. All sessions continue.

    The former key stays published for an hour, longer than the life of an access or service token,
    and stays stored for refresh tokens until the last of them expires. Raises TooSoon while
    verifiers may not know the next key: they ask for an unknown key at most once a minute.
    """
    now = now or timezone.now()
    ensure_keys()
    successor = make_key(SigningKey.Status.NEXT, now)
    with transaction.atomic():
        keys = {key.status: key for key in _in_use_locked()}
        current, coming = keys[SigningKey.Status.CURRENT], keys[SigningKey.Status.NEXT]
        known_at = coming.created_at + PUBLISH_AHEAD
        if now < known_at and SigningKey.objects.filter(created_at__lt=coming.created_at).exists():
            raise TooSoon(int((known_at - now).total_seconds()) + 1)
        current.status, current.retired_at = SigningKey.Status.RETIRED, now
        current.save(update_fields=["status", "retired_at"])
        coming.status, coming.activated_at = SigningKey.Status.CURRENT, now
        coming.save(update_fields=["status", "activated_at"])
        successor.save(force_insert=True)
        SigningKey.objects.filter(
            status=SigningKey.Status.RETIRED, retired_at__lt=now - REFRESH_LIFE - timedelta(hours=1)
        ).delete()
    return coming


def _in_use_locked() -> list[SigningKey]:
    """Current and next, locked. The second query sees the rotation that the first one waited for."""
    list(SigningKey.objects.select_for_update().order_by("kid"))
    return list(SigningKey.objects.exclude(status=SigningKey.Status.RETIRED))
