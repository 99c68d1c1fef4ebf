"""Rows of the outbox are claimed no more, and indexes that no query reads go.

Relays of the version before still claim rows beside those of this one, so that the columns ``session`` and
``claimed_at`` stay in the table. They go with the version after this one.

Django makes an index for LIKE beside each index of a text column; the bus has no such query. The unique
constraint on message and handler serves every query by message.

The tables are locked in the order in which messages are stored: inbox, delivery, outbox.
"""

import django.db.models.deletion
from django.db import migrations, models


def drop_index(name: str, columns: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"DROP INDEX IF EXISTS {name}",
        f"CREATE INDEX IF NOT EXISTS {name} ON {columns}",
    )


# By default a table is vacuumed when a fifth of it has changed. The outbox keeps days of messages of which
# only the last few change, and its pending indexes collect the entries of all that were published.
VACUUM_OUTBOX = """
ALTER TABLE atoll_bus_outbox SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
    autovacuum_analyze_scale_factor = 0.05)
"""
RESET_OUTBOX = """
ALTER TABLE atoll_bus_outbox RESET (
    autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_analyze_scale_factor)
"""

# Every message of a key updates the key's row in place, where its page has room.
ROOM_FOR_KEYS = "ALTER TABLE atoll_bus_keysequence SET (fillfactor = 70)"
RESET_KEYS = "ALTER TABLE atoll_bus_keysequence RESET (fillfactor)"


class Migration(migrations.Migration):
    dependencies = [("atoll_bus", "0008_help_texts")]

    operations = [
        drop_index(
            "atoll_bus_inbox_correlation_id_b65e01c3_like",
            "atoll_bus_inbox (correlation_id text_pattern_ops)",
        ),
        drop_index(
            "atoll_bus_inbox_dedupe_key_644e139d_like", "atoll_bus_inbox (dedupe_key text_pattern_ops)"
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveField("outbox", "session"),
                migrations.RemoveField("outbox", "claimed_at"),
                # AlterField would check the foreign key of all rows again.
                migrations.AlterField(
                    "delivery",
                    "message",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="atoll_bus.inbox",
                    ),
                ),
            ],
            database_operations=[
                drop_index("atoll_bus_delivery_message_id_26b9d7c2", "atoll_bus_delivery (message_id)"),
            ],
        ),
        drop_index(
            "atoll_bus_outbox_correlation_id_a3b8d921_like",
            "atoll_bus_outbox (correlation_id text_pattern_ops)",
        ),
        drop_index("atoll_bus_keysequence_key_5f1dde5e_like", "atoll_bus_keysequence (key text_pattern_ops)"),
        drop_index(
            "atoll_bus_forgotten_subject_e027eab7_like", "atoll_bus_forgotten (subject text_pattern_ops)"
        ),
        drop_index(
            "atoll_bus_quarantine_digest_b8e0eb0a_like", "atoll_bus_quarantine (digest text_pattern_ops)"
        ),
        migrations.RunSQL(VACUUM_OUTBOX, RESET_OUTBOX),
        migrations.RunSQL(ROOM_FOR_KEYS, RESET_KEYS),
    ]
