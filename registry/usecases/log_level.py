"""Sets the level of the log lines of a service or of one instance for a time, or ends it.

The instances learn it from the answer to their next heartbeat, and end it by themselves.
"""

from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now

from atoll.errors import InvalidInput, NotFound
from atoll.server.log_level import LEVELS
from registry.models import Instance, JournalEntry, LogLevel
from registry.usecases.refresh_index import notify

DEFAULT_MINUTES = 15
MAX_MINUTES = 240


def set_log_level(service: str, instance_id: str, level: str, minutes: int, *, actor: str) -> LogLevel:
    """An empty ``instance_id`` stands for all instances of the service, those of later, too.

    Raises InvalidInput, and NotFound when no such instance is registered.
    """
    check(service, instance_id, level, minutes)
    with transaction.atomic():
        LogLevel.objects.filter(ends_at__lte=Now()).delete()
        LogLevel.objects.update_or_create(
            service=service,
            instance_id=instance_id,
            defaults={"level": level, "ends_at": Now() + timedelta(minutes=minutes), "actor": actor},
        )
        details = {"level": level, "minutes": minutes}
        _record(JournalEntry.Kind.LOG_LEVEL_SET, service, instance_id, actor, details)
    return LogLevel.objects.get(service=service, instance_id=instance_id)


def end_log_level(service: str, instance_id: str, *, actor: str) -> bool:
    """False when none was set any more."""
    with transaction.atomic():
        LogLevel.objects.filter(ends_at__lte=Now()).delete()
        ended, _ = LogLevel.objects.filter(service=service, instance_id=instance_id).delete()
        if ended:
            _record(JournalEntry.Kind.LOG_LEVEL_ENDED, service, instance_id, actor, {})
    return bool(ended)


def check(service: str, instance_id: str, level: str, minutes: int) -> None:
    """Raises InvalidInput, and NotFound when no such instance is registered."""
    if level not in LEVELS:
        raise InvalidInput(f"A level is one of {', '.join(LEVELS)}.", code="invalid_level")
    if not 1 <= minutes <= MAX_MINUTES:
        raise InvalidInput(f"It lasts 1 to {MAX_MINUTES} minutes.", code="invalid_minutes")
    found = Instance.objects.filter(service__name=service)
    if instance_id:
        found = found.filter(instance_id=instance_id)
    if not found.exists():
        named = f"{instance_id} of {service}" if instance_id else service
        raise NotFound(f"No instance {named} is registered.", code="instance_not_found")


def _record(
    kind: JournalEntry.Kind, service: str, instance_id: str, actor: str, details: dict[str, object]
) -> None:
    JournalEntry.objects.create(
        kind=kind, service=service, instance_id=instance_id, actor=actor, details=details
    )
    notify(service)
