"""The owner of a claim: the database session that made the claim.

When a process ends for any reason, the operating system closes its connections
and PostgreSQL ends its sessions. So a claim without a live session has no owner,
and nothing compares process ids across hosts or containers. If the process is
still alive, the attempt's number stops it from changing the row.

PostgreSQL reuses backend process ids, so the owner's session must be older than the claim.
The start time of another role's session is hidden (NULL); such a session counts as the owner.

A host that disappears without closing its connections keeps its sessions and
their locks until TCP gives the connections up. TCP keepalives shorten that time.
"""

from typing import Any
from weakref import WeakSet

from django.db import connection

# The server drops a silent host after 25 s. From PostgreSQL 14 on it also interrupts a statement
# 2 s after the client ended.
KEEPALIVES = """
SELECT set_config(wanted.name, wanted.value, FALSE)
FROM pg_settings JOIN (VALUES
    ('tcp_keepalives_idle', '10'), ('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '3'),
    ('client_connection_check_interval', '2000')) AS wanted (name, value) USING (name)
"""

_configured: WeakSet[Any] = WeakSet()


def enable_keepalives() -> None:
    """Make the server detect a lost client on this thread's connection; once per connection."""
    raw = connection.connection
    if raw not in _configured:
        with connection.cursor() as cursor:
            cursor.execute(KEEPALIVES)
        _configured.add(raw)
