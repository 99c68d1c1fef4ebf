"""Columns that hold every amount of every currency exactly; see ``atoll/money.py``."""

from django.db import migrations, models

import services.products.models


class Migration(migrations.Migration):
    dependencies = [
        ("products", "0002_returned"),
    ]

    operations = [
        migrations.AlterField(
            model_name="product",
            name="currency",
            field=models.CharField(
                default=services.products.models.shop_currency,
                max_length=3,
                validators=[services.products.models.validate_currency],
            ),
        ),
        migrations.AlterField(
            model_name="product",
            name="price",
            field=models.DecimalField(decimal_places=4, max_digits=19),
        ),
        migrations.AddIndex(
            model_name="product",
            index=models.Index(fields=["currency", "price"], name="product_currency_price"),
        ),
    ]
