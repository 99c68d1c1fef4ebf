"""The rules of notifications, the incidents that they follow, and the notifications with their attempts."""

from typing import ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, validate_email
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from registry.notifications.addresses import fault_of_url

MIN_SECRET = 16
MAX_RECIPIENTS = 10
DAY_S = 86_400


class NotificationRule(models.Model):
    """Which incidents are told, and to whom. No rule is made by the platform, and a new one is not active."""

    class Kind(models.TextChoices):
        FAILING = "failing", "messages fail for a cause"
        DOWN = "down", "a service has no healthy instance"
        BREAKER = "breaker", "a circuit breaker of the gateway is open"
        BACKLOG = "backlog", "messages wait for longer than the limit"
        ATTENTION = "attention", "orders or other things need attention"

    class Channel(models.TextChoices):
        WEBHOOK = "webhook"
        EMAIL = "email"

    name = models.CharField(max_length=80, unique=True)
    kind = models.CharField("when", max_length=10, choices=Kind)
    service = models.CharField(
        max_length=80, blank=True, help_text="Its name on the wire. Empty: every service."
    )
    limit_s = models.PositiveIntegerField(
        "limit in seconds",
        default=60,
        validators=[MinValueValidator(1), MaxValueValidator(DAY_S)],
        help_text="For messages that wait: the age of the oldest one.",
    )
    lasts_s = models.PositiveIntegerField(
        "lasts for, in seconds",
        default=0,
        validators=[MaxValueValidator(DAY_S)],
        help_text="An incident is told when it has lasted for so long.",
    )
    repeat_after_min = models.PositiveIntegerField(
        "told again after, in minutes",
        default=60,
        validators=[MaxValueValidator(DAY_S)],
        help_text="An incident that ends and begins again is told after this time at the earliest.",
    )
    channel = models.CharField(max_length=10, choices=Channel, default=Channel.WEBHOOK)
    url = models.CharField(
        "URL", max_length=500, blank=True, help_text="For a webhook: http or https, without a password."
    )
    secret = models.CharField(
        max_length=200,
        blank=True,
        help_text=f"For a webhook: signs each call. At least {MIN_SECRET} characters.",
    )
    recipients = models.CharField(
        max_length=1000, blank=True, help_text=f"For email: at most {MAX_RECIPIENTS} addresses, with commas."
    )
    is_active = models.BooleanField("active", default=False)
    muted_until = models.DateTimeField(
        null=True, blank=True, help_text="Until then nothing is told; what still lasts then is told."
    )

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def addresses(self) -> list[str]:
        return [one.strip() for one in self.recipients.split(",") if one.strip()]

    @property
    def target(self) -> str:
        return self.url if self.channel == self.Channel.WEBHOOK else ", ".join(self.addresses)

    def is_muted(self) -> bool:
        return self.muted_until is not None and self.muted_until > timezone.now()

    def clean(self) -> None:
        """Raises ValidationError for the fields that the channel needs."""
        faults = {}
        if self.channel == self.Channel.WEBHOOK:
            if fault := fault_of_url(self.url):
                faults["url"] = fault
            if len(self.secret) < MIN_SECRET:
                faults["secret"] = f"A webhook needs a secret of at least {MIN_SECRET} characters."
        elif not settings.EMAIL_BACKEND:
            faults["channel"] = "This registry sends no mail: set EMAIL_URL and EMAIL_FROM."
        elif not 0 < len(self.addresses) <= MAX_RECIPIENTS:
            faults["recipients"] = f"Email needs 1 to {MAX_RECIPIENTS} addresses."
        else:
            for one in self.addresses:
                try:
                    validate_email(one)
                except ValidationError:
                    faults["recipients"] = f"{one[:100]} is no email address."
        if faults:
            raise ValidationError(faults)


class Incident(models.Model):
    """Something that a rule follows: a row for each thing, which begins and ends again and again.

    ``is_told``: its beginning was told, and its end is told, too. ``seen_at``: when it last held.
    """

    rule = models.ForeignKey(NotificationRule, on_delete=models.CASCADE, related_name="incidents")
    key = models.CharField(max_length=200)
    service = models.CharField(max_length=80)
    title = models.CharField(max_length=300)
    text = models.TextField(blank=True)
    began_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    is_told = models.BooleanField(default=False)
    told_at = models.DateTimeField(null=True, help_text="When its beginning was last told.")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["rule", "key"], name="incident_once")]

    def __str__(self) -> str:
        return self.title


class Notification(models.Model):
    """One call of a webhook or one mail, with its attempts. Rows are deleted after a week."""

    class State(models.TextChoices):
        WAITING = "waiting"
        SENT = "sent"
        FAILED = "failed"

    class Event(models.TextChoices):
        BEGUN = "begun"
        ENDED = "ended"
        MORE = "more"
        TEST = "test"

    rule = models.ForeignKey(NotificationRule, on_delete=models.CASCADE, related_name="notifications")
    event = models.CharField(max_length=10, choices=Event)
    service = models.CharField(max_length=80, blank=True)
    title = models.CharField(max_length=300)
    text = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    attempts = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    next_attempt_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index("next_attempt_at", name="notification_waiting", condition=Q(state="waiting")),
            models.Index("created_at", name="notification_age"),
        ]

    def __str__(self) -> str:
        return self.title
