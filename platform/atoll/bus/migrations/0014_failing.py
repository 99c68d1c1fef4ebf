"""An index of failing deliveries. Only failures write it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("atoll_bus", "0013_traceparent")]

    operations = [
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                "next_attempt_at",
                condition=models.Q(
                    ("status__in", ["pending", "running"]), models.Q(("error", ""), _negated=True)
                ),
                name="delivery_failing",
            ),
        ),
    ]
