"""Retention: delete old rows of the ledger after a configured number of days.

A pass reads a table in the order of the ids, which is the order of time, and ends at the
first step whose rows are too young. So retention needs no index of its own. It skips rows
that must stay (dead letters, pending rows). Each step is a short transaction that skips
locked rows, so several processes can run it at once. docs/decisions/0031 gives the
retention periods and their reasons.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connection

from atoll import conf
from atoll.backoff import jittered
from atoll.bus.operations import personal_data
from atoll.conf import options
from atoll.errors import Misuse

log = structlog.get_logger("atoll.bus")

BATCH = 1000
# The pause between steps leaves disk time to others when there is much to delete.
PAUSE_S = 0.1
PASS_EVERY_S = 600.0
# How often messages about deleted accounts are erased.
FORGET_EVERY_S = 30.0
DAY_S = 86_400.0
# A broker's backlog can be this old without anybody noticing, for example over a long weekend.
LEAST_HANDLED_DAYS = 4.0
# The number of days that counters of keys are kept longer than handled messages.
KEY_MARGIN_DAYS = 7.0

# The end of the next step in the order of a column, and whether all its rows are old.
NEXT_OUTBOX = """
SELECT max(id), count(*), max(created_at) < statement_timestamp() - make_interval(secs => %(keep_s)s)
FROM (
    SELECT id, created_at FROM atoll_bus_outbox WHERE id > %(after)s ORDER BY id LIMIT %(limit)s
) AS looked_at
"""

NEXT_INBOX = """
SELECT max(id), count(*), max(received_at) < statement_timestamp() - make_interval(secs => %(keep_s)s)
FROM (
    SELECT id, received_at FROM atoll_bus_inbox WHERE id > %(after)s ORDER BY id LIMIT %(limit)s
) AS looked_at
"""

NEXT_QUARANTINE = """
SELECT max(id), count(*), max(received_at) < statement_timestamp() - make_interval(secs => %(keep_s)s)
FROM (
    SELECT id, received_at FROM atoll_bus_quarantine WHERE id > %(after)s ORDER BY id LIMIT %(limit)s
) AS looked_at
"""

NEXT_KEYS = """
SELECT max(key), count(*), max(used_at) < statement_timestamp() - make_interval(secs => %(keep_s)s)
FROM (
    SELECT key, used_at FROM atoll_bus_keysequence WHERE key > %(after)s ORDER BY key LIMIT %(limit)s
) AS looked_at
"""

OUTBOX = """
DELETE FROM atoll_bus_outbox WHERE id IN (
    SELECT id FROM atoll_bus_outbox
    WHERE id > %(after)s AND id <= %(until)s AND status <> 'pending'
      AND GREATEST(created_at, published_at) < statement_timestamp() - make_interval(secs => %(keep_s)s)
    FOR UPDATE SKIP LOCKED)
"""

# When a delivery is replayed at the same moment, its row stays, and the message's foreign key
# makes the step fail. The next pass goes on.
INBOX = """
WITH old AS MATERIALIZED (
    SELECT id FROM atoll_bus_inbox AS message
    WHERE id > %(after)s AND id <= %(until)s
      AND received_at < statement_timestamp() - make_interval(secs => %(keep_s)s)
      AND NOT EXISTS (
          SELECT FROM atoll_bus_delivery AS delivery
          WHERE delivery.message_id = message.id
            AND (delivery.status IN ('pending', 'running', 'dead')
              OR delivery.finished_at >= statement_timestamp() - make_interval(secs => %(keep_s)s)))
    FOR UPDATE SKIP LOCKED
), handled AS (
    DELETE FROM atoll_bus_delivery AS delivery USING old
    WHERE delivery.message_id = old.id AND delivery.status NOT IN ('pending', 'running', 'dead')
)
DELETE FROM atoll_bus_inbox AS message USING old WHERE message.id = old.id
"""

QUARANTINE = """
DELETE FROM atoll_bus_quarantine WHERE id IN (
    SELECT id FROM atoll_bus_quarantine
    WHERE id > %(after)s AND id <= %(until)s AND status <> 'waiting'
      AND received_at < statement_timestamp() - make_interval(secs => %(keep_s)s)
    FOR UPDATE SKIP LOCKED)
"""

KEYS = """
DELETE FROM atoll_bus_keysequence WHERE key IN (
    SELECT key FROM atoll_bus_keysequence
    WHERE key > %(after)s AND key <= %(until)s
      AND used_at < statement_timestamp() - make_interval(secs => %(keep_s)s)
    FOR UPDATE SKIP LOCKED)
"""


@dataclass(frozen=True, kw_only=True)
class RetentionPeriods:
    """The number of days that published, handled and settled rows are kept."""

    published_days: float = 7.0
    handled_days: float = 14.0
    settled_days: float = 30.0


@dataclass(frozen=True, slots=True)
class Table:
    """A table to clean in the order of its key, from ``first`` on.

    A pass ends early only when this order is the order of time (``is_in_time``).
    """

    name: str
    next_step: str
    delete: str
    keep_days: float
    first: Any = 0
    is_in_time: bool = True


def configured_periods() -> RetentionPeriods:
    """Read BUS_KEEP_PUBLISHED_DAYS, BUS_KEEP_HANDLED_DAYS and BUS_KEEP_SETTLED_DAYS.

    Raises ImproperlyConfigured for a value that is not a positive number, and when the inbox
    would delete handled messages while copies of them can still arrive.
    """
    project = conf.project_name()
    keep = RetentionPeriods(
        published_days=options.BUS_KEEP_PUBLISHED_DAYS.value(project),
        handled_days=options.BUS_KEEP_HANDLED_DAYS.value(project),
        settled_days=options.BUS_KEEP_SETTLED_DAYS.value(project),
    )
    least = max(LEAST_HANDLED_DAYS, keep.published_days)
    if keep.handled_days < least:
        raise ImproperlyConfigured(
            f"BUS_KEEP_HANDLED_DAYS is {keep.handled_days:g} and must be at least {least:g}: a copy of a "
            "message that comes later, out of a broker's backlog or published again from an outbox "
            "(BUS_KEEP_PUBLISHED_DAYS), would take effect a second time."
        )
    return keep


def delete_old_rows(
    keep: RetentionPeriods, pause: Callable[[float], bool] = lambda _: False
) -> dict[str, int]:
    """Run one pass over every table. Returns the number of deleted messages or keys by table.

    Calls ``pause`` with a number of seconds between steps; the pass ends when it returns True.
    """
    return {table.name: _clean(table, pause) for table in _tables(keep)}


class Janitor:
    """Runs retention and erasure repeatedly in one thread. A database connection lasts for one pass."""

    def __init__(self) -> None:
        self._keep = configured_periods()
        self._stopping = threading.Event()

    def run(self) -> None:
        """Run until ``stop``."""
        next_pass = time.monotonic() + jittered(PASS_EVERY_S)
        while not self._stopping.wait(jittered(FORGET_EVERY_S)):
            self._forget()
            if time.monotonic() < next_pass:
                continue
            next_pass = time.monotonic() + jittered(PASS_EVERY_S)
            try:
                with connection.cursor() as cursor:
                    cursor.execute("SET synchronous_commit = off")
                deleted = delete_old_rows(self._keep, self._stopping.wait)
            except Error as error:
                log.warning("retention was interrupted, the next pass goes on", error=str(error).strip())
            else:
                if any(deleted.values()):
                    log.info("old messages deleted", **deleted)
            finally:
                connection.close()

    def stop(self) -> None:
        self._stopping.set()

    def _forget(self) -> None:
        try:
            if personal_data.has_due() and (erased := personal_data.erase_due()):
                log.info("personal data of deleted accounts erased", messages=erased)
        except (Error, Misuse) as error:
            log.warning("personal data of deleted accounts is not erased yet", error=str(error).strip())
        finally:
            connection.close()


def _tables(keep: RetentionPeriods) -> list[Table]:
    return [
        Table("outbox", NEXT_OUTBOX, OUTBOX, keep.published_days),
        Table("inbox", NEXT_INBOX, INBOX, keep.handled_days),
        Table("quarantine", NEXT_QUARANTINE, QUARANTINE, keep.settled_days, is_in_time=False),
        Table(
            "keysequence",
            NEXT_KEYS,
            KEYS,
            keep.handled_days + KEY_MARGIN_DAYS,
            first="",
            is_in_time=False,
        ),
    ]


def _clean(table: Table, pause: Callable[[float], bool]) -> int:
    step = {"after": table.first, "limit": BATCH, "keep_s": table.keep_days * DAY_S}
    deleted = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(table.next_step, step)
            until, looked_at, is_old = cursor.fetchone()
            if looked_at:
                cursor.execute(table.delete, step | {"until": until})
                deleted += cursor.rowcount
        if looked_at < BATCH or (table.is_in_time and not is_old) or pause(PAUSE_S):
            return deleted
        step["after"] = until
