"""The lock that says which processes of a service may consume: one alone, or several together."""

import threading

from django.db import connection

# Each service has its own database, so that all services can use one number.
INGEST_LOCK = 0x61746F6C6D

# PostgreSQL gives up a silent host after 75 s, RabbitMQ within 60 s (two heartbeats). So the broker has
# the host's messages back before the lock is free for the next consumer.
KEEPALIVES = "SET tcp_keepalives_idle = 45; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3"


_of_thread = threading.local()


def take(*, alone: bool) -> bool:
    """Take the lock for this thread's database session, until the session ends; False while others have it.

    ``alone``: no other session may have it. Without, sessions share it. Storing uses the same session,
    so that nothing is stored without the lock.
    """
    with connection.cursor() as cursor:
        cursor.execute(KEEPALIVES)
        lock = "pg_try_advisory_lock" if alone else "pg_try_advisory_lock_shared"
        cursor.execute(f"SELECT {lock}(%s)", [INGEST_LOCK])
        _of_thread.is_shared = not alone
        return bool(cursor.fetchone()[0])


def is_shared() -> bool:
    """Whether other sessions may have the lock beside this thread's."""
    return getattr(_of_thread, "is_shared", False)
