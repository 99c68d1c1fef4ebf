"""Entries of the journal for processes that a person restarted, stopped or started."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0008_log_levels"),
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
                    ("process_restarted", "Process Restarted"),
                    ("process_stopped", "Process Stopped"),
                    ("process_started", "Process Started"),
                ],
                max_length=24,
            ),
        ),
    ]
