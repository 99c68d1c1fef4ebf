"""Indexes without the status, and room on each page, so that a step of an order writes no index.

A worker of the version before finds the same orders, without an index for their status.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0006_open_orders"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                condition=models.Q(("finished_at", None)), fields=["user_id"], name="order_unfinished"
            ),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                condition=models.Q(("reason__gt", "")), fields=["-created_at"], name="order_money_back"
            ),
        ),
        migrations.RemoveIndex(model_name="order", name="order_open_of_user"),
        migrations.RemoveIndex(model_name="order", name="order_by_status"),
        migrations.RunSQL(
            "ALTER TABLE orders_order SET (fillfactor = 70)", "ALTER TABLE orders_order RESET (fillfactor)"
        ),
    ]
