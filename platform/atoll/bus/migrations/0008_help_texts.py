"""Clearer help texts for staff. No table changes."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("atoll_bus", "0007_waits_for"),
    ]

    operations = [
        migrations.AlterField(
            model_name="delivery",
            name="edited_body",
            field=models.TextField(
                db_default="", default="", help_text="The body that runs in place of the received body."
            ),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="error_group",
            field=models.TextField(
                db_default="", default="", help_text="The cause that all failures of one group share."
            ),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="first_failed_at",
            field=models.DateTimeField(
                help_text="The first failure since the arrival or the last replay.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="lane",
            field=models.TextField(
                db_default="", default="", help_text="sender/key. Deliveries of one lane run one at a time."
            ),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="position",
            field=models.BigIntegerField(help_text="The position in the lane.", null=True),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="waits_for",
            field=models.TextField(
                choices=[("turn", "its turn in its lane"), ("code", "a worker with its handler's code")],
                db_default="",
                default="",
                help_text="The reason why the delivery gets no hints.",
            ),
        ),
        migrations.AlterField(
            model_name="forgotten",
            name="done_at",
            field=models.DateTimeField(help_text="When the last erasure of its messages ended.", null=True),
        ),
        migrations.AlterField(
            model_name="inbox",
            name="body",
            field=models.TextField(help_text="The received envelope, including unknown fields."),
        ),
        migrations.AlterField(
            model_name="inbox",
            name="service_id",
            field=models.TextField(help_text="The sender's name."),
        ),
        migrations.AlterField(
            model_name="knownhandler",
            name="aliases",
            field=ArrayField(
                base_field=models.TextField(),
                default=list,
                help_text="Earlier names of the handler.",
                size=None,
            ),
        ),
        migrations.AlterField(
            model_name="knownhandler",
            name="why",
            field=models.TextField(default="", help_text="The reason for the retirement."),
        ),
        migrations.AlterField(
            model_name="outbox",
            name="attempts",
            field=models.IntegerField(
                default=0, help_text="Refusals by the broker. An outage does not count."
            ),
        ),
        migrations.AlterField(
            model_name="quarantine",
            name="arrivals",
            field=models.BigIntegerField(
                db_default=1, default=1, help_text="The number of arrivals that this row counts."
            ),
        ),
        migrations.AlterField(
            model_name="quarantine",
            name="body_bytes",
            field=models.BigIntegerField(help_text="The length of the whole received body.", null=True),
        ),
        migrations.AlterField(
            model_name="quarantine",
            name="digest",
            field=models.TextField(help_text="SHA-256 of the queue and the message.", unique=True),
        ),
        migrations.AlterField(
            model_name="quarantine",
            name="note",
            field=models.TextField(
                default="", help_text="The reason for the discard, or the result of the replay."
            ),
        ),
        migrations.AlterField(
            model_name="reception",
            name="consumed_at",
            field=models.DateTimeField(
                help_text="When a consumer last reported that it receives messages.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="reception",
            name="is_away",
            field=models.BooleanField(
                db_default=False, help_text="Whether the broker or the database does not answer."
            ),
        ),
        migrations.AlterField(
            model_name="reception",
            name="problem",
            field=models.TextField(db_default="", help_text="The problem that a consumer last reported."),
        ),
    ]
