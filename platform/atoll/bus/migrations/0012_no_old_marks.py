"""No worker writes marks into ``hints`` any more; 0007 gave them a column."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("atoll_bus", "0011_early_vacuum")]

    operations = [migrations.RemoveIndex("delivery", "delivery_old_mark")]
