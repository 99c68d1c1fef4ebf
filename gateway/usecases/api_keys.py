"""Issues, rotates and revokes API keys. Each change is published at once, alone."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from atoll.errors import Conflict
from gateway.callers import ApiKey, Consumer
from gateway.edge.identity.api_keys import digest, make_key
from gateway.usecases.publish import publish

SECTION = ("consumers",)
MAX_ACTIVE = 2
"""One key in use, and the next one during a rotation."""


class TooManyKeys(Conflict):
    title = "Too many keys"
    default_code = "too_many_keys"


def issue_key(
    consumer: Consumer, *, by: str, label: str = "", expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """A new key and its text, which is stored nowhere. Raises TooManyKeys."""
    with transaction.atomic():
        _hold(consumer)
        if active_keys(consumer).count() >= MAX_ACTIVE:
            raise TooManyKeys(f"{consumer} has {MAX_ACTIVE} keys in use: revoke one first.")
        key = _add(consumer, by=by, label=label, expires_at=expires_at)
        publish(by, f"Key {key[0]} of {consumer} issued.", only=SECTION)
        return key


def rotate_keys(
    consumer: Consumer,
    *,
    by: str,
    overlap: timedelta,
    label: str = "",
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A new key, beside which the one in use goes on for ``overlap``. Raises TooManyKeys."""
    with transaction.atomic():
        _hold(consumer)
        held = active_keys(consumer)
        if held.count() >= MAX_ACTIVE:
            raise TooManyKeys(f"{consumer} is in a rotation already: revoke one of its keys first.")
        end = timezone.now() + overlap
        held.filter(Q(expires_at=None) | Q(expires_at__gt=end)).update(expires_at=end)
        key = _add(consumer, by=by, label=label, expires_at=expires_at)
        publish(by, f"Key {key[0]} of {consumer} issued, and its former one ends.", only=SECTION)
        return key


def revoke_key(key: ApiKey, *, by: str) -> bool:
    """False when it was revoked already."""
    with transaction.atomic():
        changed = ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(
            revoked_at=timezone.now(), revoked_by=by
        )
        if changed:
            publish(by, f"Key {key} of {key.consumer} revoked.", only=SECTION)
    return bool(changed)


def record_key_use(used: Mapping[str, float]) -> None:
    """Store when keys were used last: seconds since 1970 by the id of the key. An earlier time is ignored."""
    for key_id, seconds in used.items():
        at = datetime.fromtimestamp(seconds, UTC)
        is_older = Q(last_used_at=None) | Q(last_used_at__lt=at)
        ApiKey.objects.filter(is_older, key_id=key_id).update(last_used_at=at)


def active_keys(consumer: Consumer) -> QuerySet[ApiKey]:
    lives = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return ApiKey.objects.filter(lives, consumer=consumer, revoked_at=None)


def _hold(consumer: Consumer) -> None:
    """Let nobody else change the keys of the consumer until the transaction ends."""
    Consumer.objects.select_for_update().get(pk=consumer.pk)


def _add(consumer: Consumer, *, by: str, label: str, expires_at: datetime | None) -> tuple[ApiKey, str]:
    """Expired keys are revoked, so that a published table does not gather them."""
    expired = ApiKey.objects.filter(consumer=consumer, revoked_at=None, expires_at__lte=timezone.now())
    expired.update(revoked_at=timezone.now(), revoked_by="expired")
    text, key_id = make_key()
    key = ApiKey.objects.create(
        consumer=consumer,
        key_id=key_id,
        digest=digest(text),
        label=label,
        created_by=by,
        expires_at=expires_at,
    )
    return key, text
