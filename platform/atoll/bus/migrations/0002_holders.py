from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("atoll_bus", "0001_initial")]

    operations = [
        migrations.AddField("outbox", "session", models.IntegerField(null=True)),
        migrations.AddField("outbox", "claimed_at", models.DateTimeField(null=True)),
        migrations.AddField("delivery", "session", models.IntegerField(null=True)),
        migrations.AddField("delivery", "claimed_at", models.DateTimeField(null=True)),
    ]
