"""Who holds a claim: the database session that made it.

When a process ends, however it ends, the operating system closes its
connections and the server ends its sessions. So a claim whose session is gone
has no holder, on whichever host or in whichever container that was; no process
id needs to be compared across them. Should the process itself still live, the
attempt's number keeps it from changing anything.

A host that falls silent without closing its connections keeps its sessions, and
what they have locked, for as long as TCP believes in them: the server is told to
ask, and to look up from a long statement.
"""

from typing import Any
from weakref import WeakSet

from django.db import connection

# Of the row with that alias. A process number is used again, so the session must be older
# than the claim; another role's sessions do not say how old they are and count as holders.
IS_GONE = """{row}.session IS NOT NULL AND NOT EXISTS (
    SELECT FROM pg_stat_get_activity({row}.session) AS holder
    WHERE COALESCE(holder.backend_start <= {row}.claimed_at, TRUE))"""

# 25 seconds until a silent host is given up; a statement is interrupted 2 s after its client
# ended, from PostgreSQL 14 on.
KEEPALIVES = """
SELECT set_config(wanted.name, wanted.value, FALSE)
FROM pg_settings JOIN (VALUES
    ('tcp_keepalives_idle', '10'), ('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '3'),
    ('client_connection_check_interval', '2000')) AS wanted (name, value) USING (name)
"""

_prepared: WeakSet[Any] = WeakSet()


def notice_vanished_host() -> None:
    """Once for each connection of this thread: have the server notice when its client is gone."""
    raw = connection.connection
    if raw not in _prepared:
        with connection.cursor() as cursor:
            cursor.execute(KEEPALIVES)
        _prepared.add(raw)
