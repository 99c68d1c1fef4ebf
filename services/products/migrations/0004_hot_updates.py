"""Without an index that repeats a unique one, and with room for new versions of a product on its page."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("products", "0003_money"),
    ]

    operations = [
        migrations.AlterField(
            model_name="reserveditem",
            name="reservation",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="items",
                to="products.stockreservation",
            ),
        ),
        migrations.RunSQL(
            "ALTER TABLE products_product SET (fillfactor = 70)",
            "ALTER TABLE products_product RESET (fillfactor)",
        ),
    ]
