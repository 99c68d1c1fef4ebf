"""The registry's tables. All times are on the database's clock (`Now`)."""

from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Now

from registry.failing_models import FailingCause as FailingCause
from registry.failing_models import FailureReport as FailureReport
from registry.notification_models import Incident as Incident
from registry.notification_models import Notification as Notification
from registry.notification_models import NotificationRule as NotificationRule
from registry.trace_models import Journey as Journey
from registry.trace_models import Span as Span


class Service(models.Model):
    """A name on the wire, and the index of its answer to ``discover``.

    ``index`` grows by one exactly when ``answer_digest`` changes (`usecases.refresh_index`);
    rows are never deleted, so it never falls.
    """

    name = models.CharField(max_length=80, unique=True)
    index = models.PositiveBigIntegerField(default=1)
    answer_digest = models.CharField(max_length=64, default="", editable=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class Instance(models.Model):
    """One process of a service. Its health is not stored: it follows from the lease.

    ``is_drained`` is the operator's wish and survives a new registration of the same id.
    ``is_silent``: the journal has an entry for the expired lease. ``is_last_known``: callers still try
    the instance, as of the last refresh of the index.
    """

    service = models.ForeignKey(Service, models.CASCADE, related_name="instances")
    instance_id = models.CharField(max_length=128)
    host = models.CharField(max_length=253)
    address = models.GenericIPAddressField(help_text="what the host meant when it registered")
    port = models.PositiveIntegerField()
    metadata = models.JSONField(default=dict, blank=True)
    incarnation = models.BigIntegerField(default=0)
    is_drained = models.BooleanField(default=False)
    is_silent = models.BooleanField(default=False, editable=False)
    is_last_known = models.BooleanField(db_default=False, editable=False)
    registered_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["service__name", "instance_id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["service", "instance_id"], name="instance_once_per_service"),
            models.CheckConstraint(condition=models.Q(port__lte=65535), name="instance_port_exists"),
        ]

    def __str__(self) -> str:
        return self.instance_id


class Lease(models.Model):
    """The last heartbeat of an instance and the end of its lease.

    A narrow table without secondary indexes, so that a heartbeat rewrites one small row in place.
    """

    instance = models.OneToOneField(Instance, models.CASCADE, primary_key=True, related_name="lease")
    beat_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.instance_id} until {self.expires_at:%H:%M:%S}"


class Tombstone(models.Model):
    """The mark of a deregistered instance. Late requests of this incarnation or an earlier one are refused.

    ``incarnation`` is 0 for clients that send none.
    """

    service = models.ForeignKey(Service, models.CASCADE, related_name="tombstones")
    instance_id = models.CharField(max_length=128)
    incarnation = models.BigIntegerField(default=0)
    buried_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["service", "instance_id"], name="tombstone_once_per_instance")
        ]

    def __str__(self) -> str:
        return self.instance_id


class Credential(models.Model):
    """A secret that may write for one service name and its ``.worker`` (docs/decisions/0003).

    Only its digest is stored. The secret has 32 random bytes, so plain SHA-256 is enough, and cheap
    enough for every heartbeat. A service may have several while its secret is rotated.
    """

    service = models.CharField(max_length=63)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    label = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.CharField(max_length=254, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering: ClassVar = ["service", "-created_at"]
        indexes: ClassVar = [models.Index(fields=["service"], name="credential_service")]

    def __str__(self) -> str:
        return f"{self.service} {self.label}".strip()


class JournalEntry(models.Model):
    """A change in the registry, with the instance and the actor. Never edited."""

    class Kind(models.TextChoices):
        REGISTERED = "registered"
        REPLACED = "replaced"
        DEREGISTERED = "deregistered"
        EXPIRED = "expired", "lease ran out"
        KEPT = "kept", "silent together, so the last list is kept"
        RECOVERED = "recovered", "beats again"
        FORGOTTEN = "forgotten", "silent for too long, removed"
        DRAINED = "drained"
        UNDRAINED = "undrained"
        REFUSED = "refused", "late word of an ended life"
        EXTENDED = "extended", "leases extended after the registry was away"
        CREDENTIAL_ISSUED = "credential_issued"
        CREDENTIAL_REVOKED = "credential_revoked"
        LOG_LEVEL_SET = "log_level_set"
        LOG_LEVEL_ENDED = "log_level_ended"
        PROCESS_RESTARTED = "process_restarted"
        PROCESS_STOPPED = "process_stopped"
        PROCESS_STARTED = "process_started"

    at = models.DateTimeField(db_default=Now())
    kind = models.CharField(max_length=24, choices=Kind)
    service = models.CharField(max_length=80, blank=True)
    instance_id = models.CharField(max_length=128, blank=True)
    actor = models.CharField(max_length=254, blank=True)
    details: "models.JSONField[dict[str, Any]]" = models.JSONField(default=dict, blank=True)

    class Meta:
        db_table = "registry_event"
        verbose_name = "journal entry"
        verbose_name_plural = "journal"
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["service", "-id"], name="event_service"),
            models.Index(fields=["at"], name="event_at"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.service} {self.instance_id}".strip()


class LogLevel(models.Model):
    """The level of the lines of a service that an operator has set until ``ends_at``.

    An empty ``instance_id`` stands for all instances. Rows that are over are deleted with the next change.
    """

    service = models.CharField(max_length=80)
    instance_id = models.CharField(max_length=128, blank=True)
    level = models.CharField(max_length=16)
    ends_at = models.DateTimeField()
    actor = models.CharField(max_length=254)

    class Meta:
        ordering: ClassVar = ["service", "instance_id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["service", "instance_id"], name="log_level_once_per_target")
        ]

    def __str__(self) -> str:
        return f"{self.level} of {self.instance_id or self.service}"


class Pulse(models.Model):
    """One row: the last moment at which a registry process lived. In a gap no heartbeat could arrive."""

    beat_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.beat_at:%H:%M:%S}"


from registry.figure_models import Figure  # noqa: E402, F401  # Django finds models here
