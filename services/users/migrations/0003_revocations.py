from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("users", "0002_roles")]

    operations = [
        migrations.CreateModel(
            name="Revocation",
            fields=[
                (
                    "key",
                    models.CharField(editable=False, max_length=80, primary_key=True, serialize=False),
                ),
                ("kind", models.SmallIntegerField(choices=[(0, "account"), (1, "sign-in")])),
                ("before", models.BigIntegerField()),
                ("ends_sessions", models.BooleanField()),
                ("expires_at", models.DateTimeField(db_index=True)),
            ],
            options={"ordering": ("kind", "-expires_at")},
        ),
        migrations.AddField(
            model_name="user",
            name="sessions_ended",
            field=models.IntegerField(db_default=0, default=0, editable=False),
        ),
    ]
