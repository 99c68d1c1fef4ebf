from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("gateway", "0010_hedging"),
    ]

    operations = [
        migrations.AlterField(
            model_name="service",
            name="max_in_flight",
            field=models.PositiveIntegerField(
                default=400,
                help_text="At most so many at a time; above, callers get 503. The processes of a gateway have "
                "equal shares, so one may refuse while another has room.",
                verbose_name="requests in flight",
            ),
        ),
    ]
