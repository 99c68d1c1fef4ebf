from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("atoll_bus", "0006_forgotten"),
    ]

    operations = [
        migrations.CreateModel(
            name="Reception",
            fields=[
                ("id", models.SmallIntegerField(primary_key=True, serialize=False)),
                (
                    "consumed_at",
                    models.DateTimeField(help_text="When a consumer last said that all is well.", null=True),
                ),
                (
                    "problem",
                    models.TextField(db_default="", help_text="What a consumer last said that is not."),
                ),
                (
                    "is_away",
                    models.BooleanField(
                        db_default=False,
                        help_text="The problem is that the broker or the database does not answer.",
                    ),
                ),
                ("problem_at", models.DateTimeField(null=True)),
            ],
        ),
    ]
