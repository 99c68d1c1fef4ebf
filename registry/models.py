"""What the registry remembers. Times are the database's own (`Now`), never a process's clock."""

from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Now


class Service(models.Model):
    """A name on the wire, and the index of its answer to ``discover``.

    ``index`` grows by one exactly when ``answer_digest`` changes (`usecases.settle`);
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
    """One process of a service. Health is not stored: it follows from the lease when asked.

    ``is_drained`` is the operator's wish and survives a new registration of the same id.
    ``is_silent`` only remembers that the journal already told of the lease running out;
    ``is_last_known``, when that was last settled, that callers go on trying it all the same.
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
    """When an instance last beat. Its own narrow table without secondary indexes: a beat
    rewrites one small row in place and touches nothing that anybody waits for."""

    instance = models.OneToOneField(Instance, models.CASCADE, primary_key=True, related_name="lease")
    beat_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.instance_id} until {self.expires_at:%H:%M:%S}"


class Tombstone(models.Model):
    """An instance that left. What its life (or an earlier one) says afterwards is not believed.

    ``incarnation`` is 0 for clients that do not number their lives.
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

    Only its digest is kept: the secret is 32 random bytes, so a plain SHA-256 is enough
    and cheap enough for every heartbeat. A service may hold several while rotating.
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


class Event(models.Model):
    """The journal: what happened, to which instance, by whom. Written once."""

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

    at = models.DateTimeField(db_default=Now())
    kind = models.CharField(max_length=24, choices=Kind)
    service = models.CharField(max_length=80, blank=True)
    instance_id = models.CharField(max_length=128, blank=True)
    actor = models.CharField(max_length=254, blank=True)
    details: "models.JSONField[dict[str, Any]]" = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name = "journal entry"
        verbose_name_plural = "journal"
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["service", "-id"], name="event_service"),
            models.Index(fields=["at"], name="event_at"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.service} {self.instance_id}".strip()


class Pulse(models.Model):
    """One row: when some registry process last lived. A gap means that nobody could beat."""

    beat_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.beat_at:%H:%M:%S}"
