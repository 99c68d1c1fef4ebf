from django.db import migrations, models


def ship(apps, schema_editor):
    """A policy to choose: 100 requests of an anonymous caller in 15 minutes. It counts on no route yet."""
    apps.get_model("gateway", "LimitPolicy").objects.create(
        name="anonymous-100-per-15-minutes",
        limit=100,
        window_s=900,
        key="address",
        applies_to="anonymous",
    )


class Migration(migrations.Migration):
    dependencies = [
        ("gateway", "0007_callers"),
    ]

    operations = [
        migrations.CreateModel(
            name="Service",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        help_text="A service's name in the registry, such as order-service.",
                        max_length=63,
                        unique=True,
                    ),
                ),
                (
                    "strategy",
                    models.CharField(
                        choices=[
                            ("two-choices", "The less loaded of two random ones"),
                            ("round-robin", "One after the other, by weight"),
                            ("random", "At random, by weight"),
                            ("least-connections", "The one with the fewest running requests"),
                        ],
                        default="two-choices",
                        max_length=20,
                        verbose_name="choice of the instance",
                    ),
                ),
                (
                    "url",
                    models.CharField(
                        blank=True,
                        help_text="In place of the registry, such as https://things.example.com: every address of the name is an instance, and the gateway looks it up again every few seconds. The gateway's machine must be meant to reach it.",
                        max_length=300,
                        verbose_name="URL",
                    ),
                ),
                (
                    "max_in_flight",
                    models.PositiveIntegerField(
                        default=400,
                        help_text="At most so many at a time in each process of the gateway; above, callers get 503.",
                        verbose_name="requests in flight",
                    ),
                ),
                (
                    "health_path",
                    models.CharField(
                        blank=True,
                        help_text="Such as /health/ready. Empty: instances are judged by the answers to requests alone.",
                        max_length=200,
                        verbose_name="path of the health check",
                    ),
                ),
                ("health_interval_s", models.FloatField(default=10.0, verbose_name="every (s)")),
                ("health_timeout_s", models.FloatField(default=2.0, verbose_name="time-out (s)")),
                (
                    "unhealthy_after",
                    models.PositiveSmallIntegerField(
                        default=3, help_text="Failed checks in a row.", verbose_name="out after"
                    ),
                ),
                (
                    "healthy_after",
                    models.PositiveSmallIntegerField(
                        default=2, help_text="Good checks in a row.", verbose_name="back after"
                    ),
                ),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="LimitPolicy",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        help_text="Lower-case letters, digits and hyphens.", max_length=63, unique=True
                    ),
                ),
                (
                    "limit",
                    models.PositiveIntegerField(help_text="So many per window.", verbose_name="requests"),
                ),
                ("window_s", models.PositiveIntegerField(default=60, verbose_name="window (s)")),
                (
                    "key",
                    models.CharField(
                        choices=[
                            ("address", "Address (IPv6: its /64)"),
                            ("user", "User or API key, else address"),
                            ("api_key", "API key, else address"),
                            ("route", "All callers together"),
                        ],
                        default="address",
                        max_length=20,
                        verbose_name="counts by",
                    ),
                ),
                (
                    "applies_to",
                    models.CharField(
                        choices=[
                            ("everyone", "Everyone"),
                            ("anonymous", "Callers without a valid token or key"),
                            ("signed_in", "Callers with a valid token or key"),
                        ],
                        default="everyone",
                        max_length=20,
                    ),
                ),
                (
                    "routes",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Here it replaces the limit of the route. Without routes it does nothing.",
                        related_name="limit_policies",
                        to="gateway.route",
                    ),
                ),
            ],
            options={
                "verbose_name": "limit policy",
                "verbose_name_plural": "limit policies",
                "ordering": ["name"],
            },
        ),
        migrations.RunPython(ship, migrations.RunPython.noop),
    ]
