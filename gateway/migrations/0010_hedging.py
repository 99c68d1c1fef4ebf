from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("gateway", "0009_aggregate_fields"),
    ]

    operations = [
        migrations.AddField(
            model_name="service",
            name="hedge_after",
            field=models.CharField(
                choices=[
                    ("never", "Never"),
                    ("delay", "After the delay below"),
                    ("p95", "When 95 of 100 such requests would be answered"),
                ],
                db_default="never",
                default="never",
                help_text="For GET, HEAD and OPTIONS. The first answer wins, the other request is broken off. "
                "Second requests come out of the budget of retries: one for five requests, and one a second "
                "besides.",
                max_length=10,
                verbose_name="ask a second instance",
            ),
        ),
        migrations.AddField(
            model_name="service",
            name="hedge_delay_ms",
            field=models.FloatField(db_default=100.0, default=100.0, verbose_name="delay (ms)"),
        ),
    ]
