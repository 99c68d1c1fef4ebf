"""Rules of notifications, their incidents, and the notifications with their attempts."""

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0006_failing"),
    ]

    operations = [
        migrations.CreateModel(
            name="NotificationRule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=80, unique=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("failing", "messages fail for a cause"),
                            ("down", "a service has no healthy instance"),
                            ("breaker", "a circuit breaker of the gateway is open"),
                            ("backlog", "messages wait for longer than the limit"),
                            ("attention", "orders or other things need attention"),
                        ],
                        max_length=10,
                        verbose_name="when",
                    ),
                ),
                (
                    "service",
                    models.CharField(
                        blank=True, help_text="Its name on the wire. Empty: every service.", max_length=80
                    ),
                ),
                (
                    "limit_s",
                    models.PositiveIntegerField(
                        default=60,
                        help_text="For messages that wait: the age of the oldest one.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(86400),
                        ],
                        verbose_name="limit in seconds",
                    ),
                ),
                (
                    "lasts_s",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="An incident is told when it has lasted for so long.",
                        validators=[django.core.validators.MaxValueValidator(86400)],
                        verbose_name="lasts for, in seconds",
                    ),
                ),
                (
                    "repeat_after_min",
                    models.PositiveIntegerField(
                        default=60,
                        help_text="An incident that ends and begins again is told after this time at the earliest.",
                        validators=[django.core.validators.MaxValueValidator(86400)],
                        verbose_name="told again after, in minutes",
                    ),
                ),
                (
                    "channel",
                    models.CharField(
                        choices=[("webhook", "Webhook"), ("email", "Email")], default="webhook", max_length=10
                    ),
                ),
                (
                    "url",
                    models.CharField(
                        blank=True,
                        help_text="For a webhook: http or https, without a password.",
                        max_length=500,
                        verbose_name="URL",
                    ),
                ),
                (
                    "secret",
                    models.CharField(
                        blank=True,
                        help_text="For a webhook: signs each call. At least 16 characters.",
                        max_length=200,
                    ),
                ),
                (
                    "recipients",
                    models.CharField(
                        blank=True, help_text="For email: at most 10 addresses, with commas.", max_length=1000
                    ),
                ),
                ("is_active", models.BooleanField(default=False, verbose_name="active")),
                (
                    "muted_until",
                    models.DateTimeField(
                        blank=True,
                        help_text="Until then nothing is told; what still lasts then is told.",
                        null=True,
                    ),
                ),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="Notification",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "event",
                    models.CharField(
                        choices=[("begun", "Begun"), ("ended", "Ended"), ("more", "More"), ("test", "Test")],
                        max_length=10,
                    ),
                ),
                ("service", models.CharField(blank=True, max_length=80)),
                ("title", models.CharField(max_length=300)),
                ("text", models.TextField(blank=True)),
                (
                    "state",
                    models.CharField(
                        choices=[("waiting", "Waiting"), ("sent", "Sent"), ("failed", "Failed")],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("error", models.CharField(blank=True, max_length=300)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "next_attempt_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("sent_at", models.DateTimeField(null=True)),
                (
                    "rule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notifications",
                        to="registry.notificationrule",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    models.Index(
                        models.F("next_attempt_at"),
                        condition=models.Q(("state", "waiting")),
                        name="notification_waiting",
                    ),
                    models.Index(models.F("created_at"), name="notification_age"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Incident",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=200)),
                ("service", models.CharField(max_length=80)),
                ("title", models.CharField(max_length=300)),
                ("text", models.TextField(blank=True)),
                ("began_at", models.DateTimeField()),
                ("seen_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("is_told", models.BooleanField(default=False)),
                ("told_at", models.DateTimeField(help_text="When its beginning was last told.", null=True)),
                (
                    "rule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="incidents",
                        to="registry.notificationrule",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("rule", "key"), name="incident_once")],
            },
        ),
    ]
