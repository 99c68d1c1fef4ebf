"""Levels of log lines that operators set for a time."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0007_notifications"),
    ]

    operations = [
        migrations.AlterField(
            model_name="journalentry",
            name="kind",
            field=models.CharField(
                choices=[
                    ("registered", "Registered"),
                    ("replaced", "Replaced"),
                    ("deregistered", "Deregistered"),
                    ("expired", "lease ran out"),
                    ("kept", "silent together, so the last list is kept"),
                    ("recovered", "beats again"),
                    ("forgotten", "silent for too long, removed"),
                    ("drained", "Drained"),
                    ("undrained", "Undrained"),
                    ("refused", "late word of an ended life"),
                    ("extended", "leases extended after the registry was away"),
                    ("credential_issued", "Credential Issued"),
                    ("credential_revoked", "Credential Revoked"),
                    ("log_level_set", "Log Level Set"),
                    ("log_level_ended", "Log Level Ended"),
                ],
                max_length=24,
            ),
        ),
        migrations.CreateModel(
            name="LogLevel",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("service", models.CharField(max_length=80)),
                ("instance_id", models.CharField(blank=True, max_length=128)),
                ("level", models.CharField(max_length=16)),
                ("ends_at", models.DateTimeField()),
                ("actor", models.CharField(max_length=254)),
            ],
            options={
                "ordering": ["service", "instance_id"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("service", "instance_id"), name="log_level_once_per_target"
                    )
                ],
            },
        ),
    ]
