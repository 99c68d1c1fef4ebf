"""How many open orders a customer has is read each time one is placed."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0006_money"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                condition=models.Q(("status__in", ["awaiting_payment", "pending"])),
                fields=["user_id"],
                name="order_open_of_user",
            ),
        ),
    ]
