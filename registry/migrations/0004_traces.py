"""The tables of traces."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0003_journal_entry"),
    ]

    operations = [
        migrations.CreateModel(
            name="Journey",
            fields=[
                ("trace_id", models.UUIDField(primary_key=True, serialize=False)),
                ("correlation_id", models.TextField(db_default="")),
                ("name", models.TextField(db_default="")),
                ("service", models.TextField(db_default="")),
                ("started_at", models.DateTimeField(db_index=True)),
                ("ended_at", models.DateTimeField()),
                ("spans", models.IntegerField(db_default=0)),
                ("errors", models.IntegerField(db_default=0)),
                ("slowest_us", models.BigIntegerField(db_default=0)),
                ("request_us", models.BigIntegerField(help_text="The time of its first span.", null=True)),
                ("bad_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index(models.F("correlation_id"), name="journey_correlation"),
                    models.Index(
                        models.F("bad_at"), condition=models.Q(("bad_at__isnull", False)), name="journey_bad"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Span",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("trace_id", models.UUIDField()),
                ("span_id", models.CharField(max_length=16)),
                ("parent_id", models.CharField(max_length=16)),
                ("correlation_id", models.TextField()),
                ("service", models.TextField()),
                ("instance", models.TextField()),
                ("process", models.TextField()),
                ("name", models.TextField()),
                ("kind", models.TextField()),
                ("started_at", models.DateTimeField()),
                ("duration_us", models.BigIntegerField()),
                ("error", models.TextField()),
                ("attributes", models.JSONField(default=dict)),
                (
                    "received_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), db_index=True),
                ),
            ],
            options={
                "indexes": [models.Index(models.F("correlation_id"), name="span_correlation")],
                "constraints": [
                    models.UniqueConstraint(fields=("trace_id", "span_id"), name="span_once_per_trace")
                ],
            },
        ),
    ]
