"""Columns that hold every amount of every currency exactly; see ``atoll/money.py``."""

from django.db import migrations, models

# A column that a trigger names cannot change its type.
WITHOUT = "DROP TRIGGER order_total_is_the_sum_of_its_lines ON orders_order;"
WITH = """
CREATE CONSTRAINT TRIGGER order_total_is_the_sum_of_its_lines
AFTER INSERT OR UPDATE OF total ON orders_order
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION orders_check_total();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0005_refunded"),
    ]

    operations = [
        migrations.RunSQL(WITHOUT, WITH),
        migrations.AlterField(
            model_name="order",
            name="total",
            field=models.DecimalField(decimal_places=4, max_digits=19),
        ),
        migrations.AlterField(
            model_name="orderline",
            name="unit_price",
            field=models.DecimalField(decimal_places=4, max_digits=19),
        ),
        migrations.RunSQL(WITH, WITHOUT),
    ]
