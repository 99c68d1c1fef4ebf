"""The figures of the console: one row a minute for each thing that was measured."""

from typing import ClassVar

from django.db import models

from atoll.postgresql.arrays import ArrayField


class Figure(models.Model):
    """What one minute brought to one route, handler, call, sender, instance or gauge of a service.

    ``name`` names it. ``buckets`` count durations by the bounds of `registry.console.figures.counts`.
    ``value`` is the newest value of a gauge in the minute and ``peak`` its largest. Rows are deleted by
    age (docs/decisions/0106).
    """

    class Kind(models.TextChoices):
        REQUEST = "request", "requests of a route"
        INSTANCE = "instance", "requests or runs of an instance"
        HANDLER = "handler", "runs of a handler"
        CALL = "call", "calls to another service"
        CALLED = "called", "requests of another service"
        MESSAGE = "message", "messages received, by sender and name"
        OUTCOME = "outcome", "ends of a service's business"
        GAUGE = "gauge"

    minute = models.DateTimeField()
    kind = models.CharField(max_length=10, choices=Kind)
    service = models.CharField(max_length=80)
    name = models.CharField(max_length=300)
    count = models.BigIntegerField(default=0)
    errors = models.BigIntegerField(default=0)
    seconds = models.FloatField(default=0)
    buckets: "ArrayField[list[int], list[int]]" = ArrayField(models.BigIntegerField(), default=list)
    value = models.FloatField(null=True)
    peak = models.FloatField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["minute", "kind", "service", "name"], name="figure_once_a_minute")
        ]

    def __str__(self) -> str:
        return f"{self.minute:%H:%M} {self.kind} {self.service} {self.name}"
