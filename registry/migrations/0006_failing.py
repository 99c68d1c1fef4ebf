"""The causes of what fails now, as the workers tell them."""

import django.db.models.functions.datetime
from django.db import migrations, models

import atoll.wire.writing


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0005_figures"),
    ]

    operations = [
        migrations.CreateModel(
            name="FailureReport",
            fields=[
                ("service", models.CharField(max_length=80, primary_key=True, serialize=False)),
                ("as_of", models.DateTimeField()),
                ("told_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "is_cut",
                    models.BooleanField(default=False, help_text="There are more causes than it names."),
                ),
            ],
        ),
        migrations.CreateModel(
            name="FailingCause",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("service", models.CharField(max_length=80)),
                (
                    "fingerprint",
                    models.CharField(help_text="A digest of handler, message and cause.", max_length=32),
                ),
                ("handler", models.TextField()),
                ("name", models.TextField()),
                ("cause", models.TextField()),
                ("failing", models.IntegerField()),
                ("dead", models.IntegerField()),
                ("behind", models.IntegerField()),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField(null=True)),
                ("next_at", models.DateTimeField(null=True)),
                ("dead_at", models.DateTimeField(null=True)),
                ("sample", models.UUIDField()),
                ("is_cut", models.BooleanField(default=False)),
                ("timers", models.JSONField(default=list, encoder=atoll.wire.writing.JSONEncoder)),
                ("things", models.JSONField(default=list, encoder=atoll.wire.writing.JSONEncoder)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("service", "fingerprint"), name="failing_cause_once")
                ],
            },
        ),
    ]
