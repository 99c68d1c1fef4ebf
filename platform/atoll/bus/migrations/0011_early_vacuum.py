"""Autovacuum comes to deliveries and received messages early, as 0010 has it for the outbox.

Deliveries that the pool runs change several times, and the partial indexes of the open ones collect the
entries of those that are settled. Retention deletes from both tables.
"""

from django.db import migrations

EARLY = """
ALTER TABLE {0} SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
    autovacuum_analyze_scale_factor = 0.05)
"""
RESET = """
ALTER TABLE {0} RESET (
    autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_analyze_scale_factor)
"""
TABLES = ("atoll_bus_delivery", "atoll_bus_inbox")


class Migration(migrations.Migration):
    dependencies = [("atoll_bus", "0010_one_relay")]

    operations = [migrations.RunSQL(EARLY.format(table), RESET.format(table)) for table in TABLES]
