"""The known handlers: all handlers of this service, as its database has them.

While an old and a new version of a service run side by side, each has handlers that the other has not. So
a process writes its handlers into a table before it binds their routing keys, and ingest makes deliveries
for all handlers in the table. The statement that stores messages compares a fingerprint of the table, so
that no message is stored by an outdated list. docs/decisions/0039 has the reasons.
"""

import time
from dataclasses import dataclass, field

from django.db import connection

from atoll.bus.handlers import registry
from atoll.bus.handlers.registry import Handler
from atoll.bus.topic_match import matches

# Transactions that change the table hold it exclusively; statements that store messages share it.
LOCK = 0x61746F6C6E
# A handler that no worker has registered for this long has no worker.
ATTENDED_S = 30.0
# Versions side by side may differ about ``ordered``. Order is kept for this long after the last worker that
# asks for it has gone; and a handler gets a message that it no longer takes for this long.
OVERLAP_S = 60.0
OLD_S = 2.0

FINGERPRINT = """
SELECT COALESCE(md5(string_agg(
    concat_ws(' ', handler, aliases, kind, name, ordered, retired_at IS NULL), E'\\n' ORDER BY id)), '')
FROM atoll_bus_knownhandler
"""
EMPTY = ""

LOAD = f"""
SELECT ({FINGERPRINT}), id, handler, aliases, kind, name, ordered, retired_at IS NOT NULL,
    COALESCE(seen_ordered_at > statement_timestamp() - make_interval(secs => %(overlap_s)s), FALSE),
    COALESCE(seen_at < statement_timestamp() - make_interval(secs => %(overlap_s)s), FALSE)
FROM atoll_bus_knownhandler ORDER BY id
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Row:
    """One handler and one kind of message that it takes."""

    id: int
    handler: str
    aliases: tuple[str, ...]
    kind: str
    name: str
    ordered: bool
    is_retired: bool
    was_ordered_lately: bool
    is_unseen: bool

    @property
    def ids(self) -> frozenset[str]:
        return frozenset((self.handler, *self.aliases))


@dataclass(frozen=True)
class Roster:
    """The table as it was read, together with the handlers of this process."""

    fingerprint: str = EMPTY
    rows: tuple[Row, ...] = field(default=())

    def name_of(self, handler: Handler) -> str:
        """The name in the table of a handler of this process, which may be an alias of the handler."""
        exact = next((row.handler for row in self.rows if row.handler == handler.id), None)
        return exact or next((row.handler for row in self.rows if row.ids & handler.ids), handler.id)

    def names_of(self, handler_id: str) -> set[str]:
        """All names of a handler, found by any of them."""
        return {handler_id}.union(*(row.ids for row in self.rows if handler_id in row.ids))

    def takers(self, kind: str, name: str) -> dict[str, bool]:
        """The handlers that a message is for, and whether each is ordered.

        All handlers of the table, and those of this process that are not retired. A command has one
        handler: when versions name it differently, the newest that a worker runs.
        """
        found = self._known_takers(kind, name)
        if kind == "command" and found:
            return found
        for handler in registry.handlers_for(kind, name):
            called = self.name_of(handler)
            if called not in found and not self._is_retired(called, handler):
                found[called] = handler.ordered
        return found

    def _known_takers(self, kind: str, name: str) -> dict[str, bool]:
        rows = [
            row for row in self.rows if not row.is_retired and row.kind == kind and matches(row.name, name)
        ]
        if kind == "command" and rows:
            row = max(rows, key=lambda row: (not row.is_unseen, row.id))
            return {row.handler: row.ordered}
        return {row.handler: row.ordered for row in sorted(rows, key=lambda row: row.ordered)}

    def patterns(self) -> set[str]:
        """The routing keys that the service's event queue has to be bound to."""
        own = {
            handler.name
            for handler in registry.handlers()
            if handler.kind == "event" and not self._is_retired(self.name_of(handler), handler)
        }
        return own | {row.name for row in self.rows if row.kind == "event" and not row.is_retired}

    def former_patterns(self) -> set[str]:
        """The routing keys that only retired handlers take, so that the queue has to be unbound from them."""
        retired = {row.name for row in self.rows if row.kind == "event" and row.is_retired}
        return retired - self.patterns() - {""}

    @property
    def has_ordered(self) -> bool:
        """Whether any handler depends on the order in which messages are stored."""
        return registry.has_ordered() or any(row.ordered and not row.is_retired for row in self.rows)

    @property
    def has_retired(self) -> bool:
        return any(row.is_retired for row in self.rows)

    def runnable(self) -> list[str]:
        """Every name of every handler that this process has code for."""
        names: set[str] = set()
        for handler in registry.handlers():
            names |= handler.ids
        return sorted(names.union(*(row.ids for row in self.rows if row.ids & names)))

    def has_handlers_of_others(self) -> bool:
        """Whether the table has handlers that this process has no code for."""
        own = set(self.runnable())
        return any(row.handler not in own for row in self.rows if not row.is_retired)

    def _is_retired(self, called: str, handler: Handler) -> bool:
        """Whether the handler's row is retired; without a row for its message, whether all its rows are."""
        its = [row for row in self.rows if row.handler == called]
        same = [row for row in its if (row.kind, row.name) == (handler.kind, handler.name)]
        return all(row.is_retired for row in same or its) if its else False


_roster: Roster | None = None
_read_at = float("-inf")


def roster() -> Roster:
    """The table as this process last read it, however old. The statement that stores messages checks it."""
    return _roster or reload()


def reload() -> Roster:
    global _roster, _read_at
    with connection.cursor() as cursor:
        cursor.execute(LOAD, {"overlap_s": OVERLAP_S})
        found = cursor.fetchall()
    rows = tuple(Row(id_, handler, tuple(aliases), *rest) for _, id_, handler, aliases, *rest in found)
    _roster, _read_at = Roster(found[0][0] if found else EMPTY, rows), time.monotonic()
    return _roster


def reload_if_old() -> Roster:
    """The table as it was at most OLD_S seconds ago."""
    return roster() if time.monotonic() - _read_at < OLD_S else reload()


def code_for(handler_id: str, kind: str, name: str) -> Handler | None:
    """The handler of this process that has such a name and takes such a message; None without one."""
    names = reload_if_old().names_of(handler_id)
    return next((one for one in registry.handlers() if one.ids & names and one.takes(kind, name)), None)
