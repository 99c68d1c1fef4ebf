"""The tables of traces: the spans of the last hour, and one row for each trace. Both are bounded."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Journey(models.Model):
    """A trace, as far as its spans have arrived. ``name`` is that of the first span without a parent.

    ``bad_at``: when a failed or slow span last arrived.
    """

    trace_id = models.UUIDField(primary_key=True)
    correlation_id = models.TextField(db_default="")
    name = models.TextField(db_default="")
    service = models.TextField(db_default="")
    started_at = models.DateTimeField(db_index=True)
    ended_at = models.DateTimeField()
    spans = models.IntegerField(db_default=0)
    errors = models.IntegerField(db_default=0)
    slowest_us = models.BigIntegerField(db_default=0)
    request_us = models.BigIntegerField(null=True, help_text="The time of its first span.")
    bad_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [
            # Not ``db_index``, which makes a second index for LIKE.
            models.Index("correlation_id", name="journey_correlation"),
            models.Index("bad_at", name="journey_bad", condition=Q(bad_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.name or str(self.trace_id)


class Span(models.Model):
    """One span, as its process told it. Times of ``started_at`` are of that process's clock."""

    trace_id = models.UUIDField()
    span_id = models.CharField(max_length=16)
    parent_id = models.CharField(max_length=16)
    correlation_id = models.TextField()
    service = models.TextField()
    instance = models.TextField()
    process = models.TextField()
    name = models.TextField()
    kind = models.TextField()
    started_at = models.DateTimeField()
    duration_us = models.BigIntegerField()
    error = models.TextField()
    attributes = models.JSONField(default=dict)
    received_at = models.DateTimeField(db_default=Now(), db_index=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["trace_id", "span_id"], name="span_once_per_trace"),
        ]
        indexes: ClassVar = [models.Index("correlation_id", name="span_correlation")]

    def __str__(self) -> str:
        return self.name
