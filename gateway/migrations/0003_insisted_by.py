from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("gateway", "0002_roles")]

    operations = [
        migrations.AddField(
            model_name="route",
            name="insisted_by",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                help_text="Who confirmed what the gateway warned of.",
                max_length=200,
            ),
        ),
    ]
