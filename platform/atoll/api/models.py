"""The rows of the API in the service's database."""

from django.db import models

MAX_KEY_CHARS = 255


class IdempotencyRecord(models.Model):
    """The answer to a request that came with an Idempotency-Key, committed with its effects."""

    principal = models.CharField(max_length=200)
    method = models.CharField(max_length=10)
    route = models.CharField(max_length=200)
    key = models.CharField(max_length=MAX_KEY_CHARS)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of path, query and body")
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField(default=dict)
    body = models.BinaryField()
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=("principal", "method", "route", "key"), name="atoll_api_one_answer_per_key"
            )
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.route} {self.key}"
