"""Retention: the ledger keeps what may still be needed, for so many days, and no more.

Rows go in the order of their ids, which is the order of time: each step looks at the
next few, and a pass is over where they are too young. So cleaning needs no index of
its own, and what must stay (dead letters, what waits) is stepped over. Steps are short
transactions that skip what others have locked; any number of instances may clean.
docs/decisions/0031 says what is kept for how long, and why.
"""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connection

from atoll import conf
from atoll.bus.operations import personal_data
from atoll.errors import Misuse

log = structlog.get_logger("atoll.bus")

BATCH = 1000
# Between steps, so that cleaning up after a long pause leaves the disk to others.
PAUSE_S = 0.1
PASS_EVERY_S = 600.0
# How soon messages about a deleted account are looked for.
FORGET_EVERY_S = 30.0
DAY_S = 86_400.0
# What a broker may hold back while nobody looks, over a long weekend for instance.
LEAST_HANDLED_DAYS = 4.0
# How much longer than handled messages the counters of keys are kept.
KEY_MARGIN_DAYS = 7.0

LOOK = """
SELECT max({by}), count(*), max({moment}) < statement_timestamp() - make_interval(secs => %(keep_s)s)
FROM (
    SELECT {by}, {moment} FROM {table} WHERE {by} > %(after)s ORDER BY {by} LIMIT %(limit)s
) AS looked_at
"""

OUTBOX = """
DELETE FROM atoll_bus_outbox WHERE id IN (
    SELECT id FROM atoll_bus_outbox
    WHERE id > %(after)s AND id <= %(until)s AND status <> 'pending'
      AND GREATEST(created_at, published_at) < statement_timestamp() - make_interval(secs => %(keep_s)s)
    FOR UPDATE SKIP LOCKED)
"""

# A delivery that is replayed at this moment stays, and its message's foreign key makes
# the step fail: the next pass sees it.
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
class Keep:
    """For how many days what is over is kept."""

    published_days: float = 7.0
    handled_days: float = 14.0
    settled_days: float = 30.0


@dataclass(frozen=True, slots=True)
class Table:
    """What is cleaned, in the order of one column. Is the order that of time, a pass may end early."""

    name: str
    delete: str
    keep_days: float
    moment: str
    by: str = "id"
    first: Any = 0
    is_in_time: bool = True


def configured() -> Keep:
    """From BUS_KEEP_PUBLISHED_DAYS, BUS_KEEP_HANDLED_DAYS and BUS_KEEP_SETTLED_DAYS.

    Raises ImproperlyConfigured for what is no positive number, and when handled messages
    would be forgotten while copies of them can still come.
    """
    keep = Keep(
        published_days=_days("BUS_KEEP_PUBLISHED_DAYS", Keep.published_days),
        handled_days=_days("BUS_KEEP_HANDLED_DAYS", Keep.handled_days),
        settled_days=_days("BUS_KEEP_SETTLED_DAYS", Keep.settled_days),
    )
    least = max(LEAST_HANDLED_DAYS, keep.published_days)
    if keep.handled_days < least:
        raise ImproperlyConfigured(
            f"BUS_KEEP_HANDLED_DAYS is {keep.handled_days:g} and must be at least {least:g}: a copy of a "
            "message that comes later, out of a broker's backlog or published again from an outbox "
            "(BUS_KEEP_PUBLISHED_DAYS), would take effect a second time."
        )
    return keep


def clean(keep: Keep, pause: Callable[[float], bool] = lambda _: False) -> dict[str, int]:
    """One pass over every table; how many messages, or keys, each has lost.

    ``pause`` is called with a number of seconds between steps; True ends the pass.
    """
    return {table.name: _clean(table, pause) for table in _tables(keep)}


class Janitor:
    """Cleans now and then, on a thread of its own and a database connection that lasts for one pass."""

    def __init__(self) -> None:
        self._keep = configured()
        self._stopping = threading.Event()

    def run(self) -> None:
        """Until ``stop``."""
        next_pass = time.monotonic() + random.uniform(PASS_EVERY_S / 2, PASS_EVERY_S)  # noqa: S311
        while not self._stopping.wait(random.uniform(FORGET_EVERY_S / 2, FORGET_EVERY_S)):  # noqa: S311
            self._forget()
            if time.monotonic() < next_pass:
                continue
            next_pass = time.monotonic() + random.uniform(PASS_EVERY_S / 2, PASS_EVERY_S)  # noqa: S311
            try:
                with connection.cursor() as cursor:
                    cursor.execute("SET synchronous_commit = off")
                deleted = clean(self._keep, self._stopping.wait)
            except Error as error:
                log.warning("cleaning interrupted, the next pass goes on", error=str(error).strip())
            else:
                if any(deleted.values()):
                    log.info("old messages deleted", **deleted)
            finally:
                connection.close()

    def stop(self) -> None:
        self._stopping.set()

    def _forget(self) -> None:
        try:
            if personal_data.is_due() and (emptied := personal_data.clean()):
                log.info("messages about deleted accounts emptied", messages=emptied)
        except (Error, Misuse) as error:
            log.warning("messages about deleted accounts are not emptied yet", error=str(error).strip())
        finally:
            connection.close()


def _tables(keep: Keep) -> list[Table]:
    return [
        Table("outbox", OUTBOX, keep.published_days, "created_at"),
        Table("inbox", INBOX, keep.handled_days, "received_at"),
        Table("quarantine", QUARANTINE, keep.settled_days, "received_at", is_in_time=False),
        Table(
            "keysequence",
            KEYS,
            keep.handled_days + KEY_MARGIN_DAYS,
            "used_at",
            by="key",
            first="",
            is_in_time=False,
        ),
    ]


def _clean(table: Table, pause: Callable[[float], bool]) -> int:
    look = LOOK.format(table=f"atoll_bus_{table.name}", by=table.by, moment=table.moment)
    step = {"after": table.first, "limit": BATCH, "keep_s": table.keep_days * DAY_S}
    deleted = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(look, step)
            until, looked_at, is_old = cursor.fetchone()
            if looked_at:
                cursor.execute(table.delete, step | {"until": until})
                deleted += cursor.rowcount
        if looked_at < BATCH or (table.is_in_time and not is_old) or pause(PAUSE_S):
            return deleted
        step["after"] = until


def _days(name: str, default: float) -> float:
    value = conf.variable(name, settings.ATOLL_PROJECT)
    if value is None:
        return default
    try:
        days = float(value)
    except ValueError:
        days = 0.0
    if not 0 < days < float("inf"):
        raise ImproperlyConfigured(f"{name}={value!r} is not a number of days, above 0.")
    return days
