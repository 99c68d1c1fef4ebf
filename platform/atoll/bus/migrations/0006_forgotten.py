import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("atoll_bus", "0004_known_handlers")]

    operations = [
        migrations.CreateModel(
            name="Forgotten",
            fields=[
                (
                    "subject",
                    models.TextField(help_text="The account's id.", primary_key=True, serialize=False),
                ),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "done_at",
                    models.DateTimeField(help_text="When messages about it were last looked for.", null=True),
                ),
            ],
            options={"verbose_name_plural": "forgotten accounts"},
        ),
    ]
