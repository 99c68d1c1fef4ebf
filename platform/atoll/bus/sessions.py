"""Who holds a claim: the database session that made it.

When a process ends, however it ends, the operating system closes its
connections and the server ends its sessions. So a claim whose session is gone
has no holder, on whichever host or in whichever container that was; no process
id needs to be compared across them. Should the process itself still live, the
attempt's number keeps it from changing anything.

A host that falls silent without closing its connections keeps its sessions for
as long as TCP believes in them: its claims end with their leases.
"""

# Of the row with that alias. A process number is used again, so the session must be older
# than the claim; another role's sessions do not say how old they are and count as holders.
IS_GONE = """{row}.session IS NOT NULL AND NOT EXISTS (
    SELECT FROM pg_stat_get_activity({row}.session) AS holder
    WHERE COALESCE(holder.backend_start <= {row}.claimed_at, TRUE))"""
