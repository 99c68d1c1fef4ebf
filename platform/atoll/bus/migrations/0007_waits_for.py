"""Why a delivery gets no hints becomes a column; it was -1 (its turn) or -2 (code) in ``hints``.

Workers of the version before may run beside those of this one: the sweep reads their marks.
"""

from django.db import migrations, models

FROM_HINTS = """
UPDATE atoll_bus_delivery
SET waits_for = CASE hints WHEN -2 THEN 'code' ELSE 'turn' END, hints = 0
WHERE status IN ('pending', 'running') AND hints < 0
"""

TO_HINTS = """
UPDATE atoll_bus_delivery
SET hints = CASE waits_for WHEN 'code' THEN -2 ELSE -1 END
WHERE status IN ('pending', 'running') AND waits_for <> ''
"""


class Migration(migrations.Migration):
    dependencies = [("atoll_bus", "0005_reception")]

    operations = [
        migrations.AddField(
            "delivery",
            "waits_for",
            models.TextField(
                choices=[("turn", "its turn in its lane"), ("code", "a worker with its handler's code")],
                db_default="",
                default="",
                help_text="Why it gets no hints, if it does not.",
            ),
        ),
        migrations.RemoveIndex("delivery", "delivery_unattended"),
        migrations.AddIndex(
            "delivery",
            models.Index(
                "handler",
                name="delivery_unattended",
                condition=models.Q(("status__in", ["pending", "running"]), ("waits_for", "code")),
            ),
        ),
        migrations.AddIndex(
            "delivery",
            models.Index(
                "handler",
                name="delivery_old_mark",
                condition=models.Q(("hints__lt", 0), ("status__in", ["pending", "running"])),
            ),
        ),
        migrations.RunSQL(FROM_HINTS, TO_HINTS),
    ]
