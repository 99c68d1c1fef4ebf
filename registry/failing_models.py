"""The causes of what fails now, as the workers tell them. Each report of a service replaces its last one."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from atoll.wire import JSONEncoder


class FailureReport(models.Model):
    """The last report of a service. ``as_of`` is of the clock of the service's database."""

    service = models.CharField(max_length=80, primary_key=True)
    as_of = models.DateTimeField()
    told_at = models.DateTimeField(db_default=Now())
    is_cut = models.BooleanField(default=False, help_text="There are more causes than it names.")

    def __str__(self) -> str:
        return f"{self.service} at {self.as_of:%H:%M:%S}"


class FailingCause(models.Model):
    """The messages of one handler that fail for one cause; see ``atoll.bus.operations.causes.Cause``.

    ``timers`` and ``things`` depend on these messages (``atoll.bus.operations.at_stake``).
    """

    service = models.CharField(max_length=80)
    fingerprint = models.CharField(max_length=32, help_text="A digest of handler, message and cause.")
    handler = models.TextField()
    name = models.TextField()
    cause = models.TextField()
    failing = models.IntegerField()
    dead = models.IntegerField()
    behind = models.IntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField(null=True)
    next_at = models.DateTimeField(null=True)
    dead_at = models.DateTimeField(null=True)
    sample = models.UUIDField()
    is_cut = models.BooleanField(default=False)
    timers = models.JSONField(default=list, encoder=JSONEncoder)
    things = models.JSONField(default=list, encoder=JSONEncoder)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["service", "fingerprint"], name="failing_cause_once"),
        ]

    def __str__(self) -> str:
        return f"{self.service}: {self.cause}"
