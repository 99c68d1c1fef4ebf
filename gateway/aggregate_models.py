"""Tables of the declared aggregates."""

from typing import Any, ClassVar

from django.db import models

from atoll.postgresql.arrays import ArrayField
from gateway.edge.aggregation import declaration


class IfFailed(models.TextChoices):
    NULL = declaration.NULL, "null, with an entry in errors"
    EMPTY_LIST = declaration.EMPTY_LIST, "an empty list, with an entry in errors"
    FAIL = declaration.FAIL, "the error of the whole answer"


class Aggregate(models.Model):
    """An address that combines the answers of several services. An edit takes effect when it is published."""

    name = models.CharField(max_length=63, unique=True, help_text="Lower-case letters, digits and hyphens.")
    path = models.CharField(
        max_length=400,
        help_text="Such as /api/user/{userId}/dashboard. A route to the built-in aggregates must take it.",
    )
    parameters = models.JSONField(default=dict, blank=True)
    owner = models.CharField(
        max_length=32, blank=True, help_text="The parameter that must be the id of the caller."
    )
    roles = ArrayField(
        models.CharField(max_length=32),
        default=list,
        blank=True,
        help_text="Who may ask for anybody's. Without an owner and roles, every caller of the route may.",
    )
    timeout_s = models.FloatField("time-out (s)", default=0, help_text="0: the route's.")
    refused_message = models.CharField(max_length=200, default=declaration.Aggregate.refused_message)
    failed_title = models.CharField(max_length=100, default=declaration.Aggregate.failed_title)
    failed_code = models.CharField(max_length=63, default=declaration.Aggregate.failed_code)
    failed_message = models.CharField(max_length=200, default=declaration.Aggregate.failed_message)
    enabled = models.BooleanField(default=True)
    shipped = models.BooleanField(default=False, editable=False, help_text="Comes with the repository.")

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    def document(self, legs: "list[Leg] | None" = None) -> dict[str, Any]:
        """The aggregate in the form of a published table, with ``legs`` in place of the stored ones."""
        return {
            "name": self.name,
            "path": self.path,
            "parameters": self.parameters,
            "owner": self.owner,
            "roles": list(self.roles),
            "timeout_s": self.timeout_s,
            "refused_message": self.refused_message,
            "failed_title": self.failed_title,
            "failed_code": self.failed_code,
            "failed_message": self.failed_message,
            "legs": [leg.document() for leg in (self.legs.all() if legs is None else legs)],
        }


class Leg(models.Model):
    """One request of an aggregate, and its part of the answer."""

    aggregate = models.ForeignKey(Aggregate, on_delete=models.CASCADE, related_name="legs")
    position = models.PositiveSmallIntegerField(default=0, help_text="Its place in the answer.")
    name = models.CharField(max_length=63, help_text="The field of the answer that holds it.")
    service = models.CharField(max_length=63)
    path = models.CharField(max_length=400, help_text="At the service, such as /users/{userId}.")
    fields = models.JSONField(default=list, blank=True)
    timeout_s = models.FloatField("time-out (s)", default=0, help_text="0: the aggregate's.")
    if_failed = models.CharField(
        "a failed leg becomes", max_length=12, choices=IfFailed, default=IfFailed.NULL
    )
    missing_title = models.CharField(
        "title of a 404",
        max_length=100,
        blank=True,
        help_text="With a title and a code, a 404 of this leg is a 404 of the whole answer.",
    )
    missing_code = models.CharField("code of a 404", max_length=63, blank=True)
    missing_message = models.CharField("message of a 404", max_length=200, blank=True)

    class Meta:
        ordering: ClassVar = ["position", "pk"]

    def __str__(self) -> str:
        return f"{self.name} ({self.service})"

    def document(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "service": self.service,
            "path": self.path,
            "fields": self.fields,
            "timeout_s": self.timeout_s,
            "if_failed": self.if_failed,
            "missing_title": self.missing_title,
            "missing_code": self.missing_code,
            "missing_message": self.missing_message,
        }
