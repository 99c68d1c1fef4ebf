"""The lock that makes one relay of a service the holder, which alone reads and marks the outbox.

It belongs to a database session. When the holder's process ends, PostgreSQL ends the session, and a relay
that stands by takes the lock within a second. The session of a vanished host ends with its TCP keepalives
(``claim_owner``). A process that is stopped keeps its session alive: the relays that stand by end it when
it has said nothing for SILENT_S.

A former holder may still publish the rest of its batch. Those rows are copies of what the next holder
publishes in the same order, so that the first arrivals of a key keep their order.
"""

from django.db import connection

# Relays of the version before take it for each claim, in that claim's transaction: they wait, and claim
# nothing, while a relay of this version is the holder.
RELAY_LOCK = 0x61746F6C6C  # "atoll"

# The holder asks the database every second. The longest step, with a broker that does not answer, takes
# about 20 s.
SILENT_S = 30.0

TAKE = "SELECT pg_try_advisory_lock(%(lock)s)"

END_SILENT = """
SELECT pg_terminate_backend(holder.pid)
FROM pg_locks AS held JOIN pg_stat_activity AS holder USING (pid)
WHERE held.locktype = 'advisory' AND held.granted AND held.database = holder.datid
  AND held.classid = %(lock)s >> 32 AND held.objid = %(lock)s & 4294967295 AND held.objsubid = 1
  AND holder.datname = current_database()
  AND holder.state_change < statement_timestamp() - make_interval(secs => %(silent_s)s)
  AND (holder.state <> 'active' OR holder.wait_event = 'ClientWrite')
"""


def take() -> bool:
    """Whether this thread's database session is the holder from now on, until it ends."""
    with connection.cursor() as cursor:
        cursor.execute(TAKE, {"lock": RELAY_LOCK})
        return bool(cursor.fetchone()[0])


def end_silent() -> bool:
    """End the holder's session if it has been silent for SILENT_S; whether it was."""
    with connection.cursor() as cursor:
        cursor.execute(END_SILENT, {"lock": RELAY_LOCK, "silent_s": SILENT_S})
        return bool(cursor.rowcount)
