import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("atoll_bus", "0002_holders"),
    ]

    operations = [
        migrations.AddField(
            model_name="delivery",
            name="edited_body",
            field=models.TextField(
                db_default="",
                default="",
                help_text="What is run in place of the message's body, if anything.",
            ),
        ),
        migrations.AddField(
            model_name="delivery",
            name="error_group",
            field=models.TextField(
                db_default="",
                default="",
                help_text="The same for failures that differ in ids and numbers only.",
            ),
        ),
        migrations.AddField(
            model_name="delivery",
            name="lane",
            field=models.TextField(
                db_default="", default="", help_text="Whose messages run one after the other: sender/key."
            ),
        ),
        migrations.AddField(
            model_name="delivery",
            name="position",
            field=models.BigIntegerField(help_text="Where in its lane it stands.", null=True),
        ),
        migrations.AddField(
            model_name="keysequence",
            name="used_at",
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                models.F("handler"),
                models.F("lane"),
                models.F("position"),
                models.F("id"),
                condition=models.Q(
                    ("status__in", ["pending", "running", "dead"]), models.Q(("lane", ""), _negated=True)
                ),
                name="delivery_lane_open",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                models.F("handler"),
                models.F("lane"),
                models.F("position"),
                condition=models.Q(
                    ("status__in", ["done", "ignored"]), models.Q(("lane", ""), _negated=True)
                ),
                name="delivery_lane_done",
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "running"), models.Q(("lane", ""), _negated=True)),
                fields=("handler", "lane"),
                name="delivery_one_per_lane",
            ),
        ),
    ]
