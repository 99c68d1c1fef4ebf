"""The sign-ins that opened the sessions of this project's admin."""

from typing import ClassVar

from django.db import models
from django.utils import timezone


class AdminSignIn(models.Model):
    """Leads from a sign-in at the issuer to a session here, so that the issuer can end the session.

    The row goes with its session, or after the longest life of a session.
    """

    session_key = models.CharField(max_length=40, primary_key=True, editable=False)
    issuer = models.CharField(max_length=500, editable=False)
    subject = models.CharField(max_length=150, editable=False)
    sid = models.CharField(max_length=128, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["sid"], name="atoll_identity_sid"),
            models.Index(fields=["subject"], name="atoll_identity_subject"),
        ]

    def __str__(self) -> str:
        return f"sign-in of {self.subject}"
