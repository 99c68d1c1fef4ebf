"""Columns that hold every amount of every currency exactly; see ``atoll/money.py``."""

from decimal import Decimal

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0002_goods"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="payment",
            name="payment_amount_positive",
        ),
        migrations.AlterField(
            model_name="payment",
            name="amount",
            field=models.DecimalField(blank=True, decimal_places=4, max_digits=19, null=True),
        ),
        migrations.AlterField(
            model_name="sandboxcharge",
            name="amount",
            field=models.DecimalField(decimal_places=4, max_digits=19),
        ),
        migrations.AlterField(
            model_name="sandboxrefund",
            name="amount",
            field=models.DecimalField(decimal_places=4, max_digits=19),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("amount__isnull", True),
                    models.Q(("amount__gt", 0), ("amount__lte", Decimal("999999999999999"))),
                    _connector="OR",
                ),
                name="payment_amount_positive",
            ),
        ),
    ]
