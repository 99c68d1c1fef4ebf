"""Who may consume: one instance of a service alone, or several together."""

import threading

from django.db import connection

# Of the service's own database, so the same number serves every service.
INGEST_LOCK = 0x61746F6C6D

# The server gives up a silent host later here than elsewhere: after RabbitMQ, which does
# so within two heartbeats of 30 s and then hands what it held to the next consumer.
PATIENCE = "SET tcp_keepalives_idle = 45; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3"


_of_thread = threading.local()


def take(*, alone: bool) -> bool:
    """Whether this thread's database session has the turn now; the end of the session ends it.

    Who wants it ``alone`` gets it when no other session has it; the others share it.
    Storing takes the same session, so nothing is stored out of turn.
    """
    with connection.cursor() as cursor:
        cursor.execute(PATIENCE)
        lock = "pg_try_advisory_lock" if alone else "pg_try_advisory_lock_shared"
        cursor.execute(f"SELECT {lock}(%s)", [INGEST_LOCK])
        _of_thread.is_shared = not alone
        return bool(cursor.fetchone()[0])


def is_shared() -> bool:
    """Whether others may be storing beside this thread."""
    return getattr(_of_thread, "is_shared", False)
