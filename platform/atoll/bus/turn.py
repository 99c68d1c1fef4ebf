"""Whose turn it is to consume, where only one instance of a service may."""

from django.db import connection

# Of the service's own database, so the same number serves every service.
INGEST_LOCK = 0x61746F6C6D

# The server gives up a silent host later here than elsewhere: after RabbitMQ, which does
# so within two heartbeats of 30 s and then hands what it held to the next consumer.
PATIENCE = "SET tcp_keepalives_idle = 45; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3"


def take() -> bool:
    """Whether this thread's database session has the turn now; the end of the session ends it.

    Storing takes the same session, so nothing is stored out of turn.
    """
    with connection.cursor() as cursor:
        cursor.execute(PATIENCE)
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [INGEST_LOCK])
        return bool(cursor.fetchone()[0])
