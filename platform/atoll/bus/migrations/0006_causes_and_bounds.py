"""When a delivery first failed; how much of an arrival in quarantine was kept.

What was quarantined before and is larger than any message that is read is cut here, as
it would be today: its length and its digest stay.
"""

from django.db import migrations, models

KEPT_BYTES = 1024 * 1024

CUT = f"""
UPDATE atoll_bus_quarantine
SET body_bytes = octet_length(body), body_sha256 = encode(sha256(body), 'hex'), is_cut = TRUE,
    body = substring(body FROM 1 FOR {KEPT_BYTES})
WHERE octet_length(body) > {KEPT_BYTES}
"""  # noqa: S608


class Migration(migrations.Migration):
    dependencies = [("atoll_bus", "0003_lanes_and_groups")]

    operations = [
        migrations.AlterField(
            "delivery",
            "error_group",
            models.TextField(
                default="",
                db_default="",
                help_text="The cause of the failure: the same for all that one mending ends.",
            ),
        ),
        migrations.AddField(
            "delivery",
            "first_failed_at",
            models.DateTimeField(null=True, help_text="Its first failure since it arrived or was replayed."),
        ),
        migrations.AddField(
            "quarantine",
            "body_bytes",
            models.BigIntegerField(null=True, help_text="How long the whole body was, when it arrived."),
        ),
        migrations.AddField(
            "quarantine",
            "body_sha256",
            models.TextField(default="", db_default="", help_text="SHA-256 of the whole body."),
        ),
        migrations.AddField(
            "quarantine",
            "is_cut",
            models.BooleanField(
                default=False, db_default=False, help_text="Only a part was kept; it cannot be read again."
            ),
        ),
        migrations.AddField(
            "quarantine",
            "arrivals",
            models.BigIntegerField(default=1, db_default=1, help_text="How many arrivals it stands for."),
        ),
        migrations.RunSQL(CUT, migrations.RunSQL.noop),
    ]
