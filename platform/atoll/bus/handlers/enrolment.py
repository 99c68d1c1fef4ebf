"""Writing this process's handlers into the table of known handlers (known.py)."""

import os
import socket
from collections.abc import Iterator

import structlog
from django.db import connection, transaction

from atoll.bus.handlers import known, registry
from atoll.bus.handlers.known import Roster, Row
from atoll.bus.handlers.registry import Handler

log = structlog.get_logger("atoll.bus")

UPSERT = """
INSERT INTO atoll_bus_knownhandler
    (handler, aliases, kind, name, ordered, known_since, seen_at, seen_by, seen_ordered_at, retired_by, why)
VALUES
    (%(handler)s, %(aliases)s, %(kind)s, %(name)s, %(ordered)s, statement_timestamp(),
     CASE WHEN %(runs_handlers)s THEN statement_timestamp() END,
     CASE WHEN %(runs_handlers)s THEN %(by)s ELSE '' END,
     CASE WHEN %(ordered)s THEN statement_timestamp() END, '', '')
ON CONFLICT (handler, kind, name) DO UPDATE
SET aliases = excluded.aliases, ordered = %(keeps_order)s,
    seen_ordered_at = COALESCE(excluded.seen_ordered_at, atoll_bus_knownhandler.seen_ordered_at),
    seen_at = COALESCE(excluded.seen_at, atoll_bus_knownhandler.seen_at),
    seen_by = COALESCE(NULLIF(excluded.seen_by, ''), atoll_bus_knownhandler.seen_by),
    retired_at = CASE WHEN NOT %(runs_handlers)s THEN atoll_bus_knownhandler.retired_at END,
    retired_by = CASE WHEN %(runs_handlers)s THEN '' ELSE atoll_bus_knownhandler.retired_by END,
    why = CASE WHEN %(runs_handlers)s THEN '' ELSE atoll_bus_knownhandler.why END
"""

SEEN = """
UPDATE atoll_bus_knownhandler
SET seen_at = statement_timestamp(), seen_by = %(by)s,
    seen_ordered_at = CASE WHEN id = ANY(%(ordered)s) THEN statement_timestamp() ELSE seen_ordered_at END
WHERE id = ANY(%(ids)s)
"""

# Deliveries under an earlier name get the new one, so that a lane stays one lane. Outside of lanes a
# delivery is found by any name of its handler, so a locked one keeps its name and is not waited for.
RENAME = """
UPDATE atoll_bus_knownhandler SET handler = %(to)s WHERE handler = %(was)s;
UPDATE atoll_bus_delivery SET handler = %(to)s WHERE handler = %(was)s AND lane <> '';
UPDATE atoll_bus_delivery SET handler = %(to)s WHERE id IN (
    SELECT id FROM atoll_bus_delivery
    WHERE handler = %(was)s AND lane = '' AND status IN ('pending', 'running', 'dead')
    FOR UPDATE SKIP LOCKED)
"""

DROP = "DELETE FROM atoll_bus_knownhandler WHERE id = %(id)s"

RETIRE_DROPPED = """
UPDATE atoll_bus_knownhandler
SET retired_at = statement_timestamp(), retired_by = '', why = 'Its code takes other messages now.'
WHERE id = ANY(%(ids)s)
"""


def register(*, runs_handlers: bool) -> Roster:
    """Write the handlers of this process into the table, and return the table.

    With ``runs_handlers``, a retired handler of this process is taken up again. The rows are committed when
    it returns. Call it before the routing keys of the handlers are bound.
    """
    found = known.reload()
    if not _is_complete(found, runs_handlers=runs_handlers):
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [known.LOCK])
            _rename(known.reload())
            _write(known.reload(), runs_handlers=runs_handlers)
        found = known.reload()
    if runs_handlers:
        _record_seen(found)
    return found


def _own_handlers(found: Roster) -> Iterator[tuple[Handler, str, Row | None]]:
    """Each handler of this process, with its name and its row in the table."""
    for handler in registry.handlers():
        called = found.name_of(handler)
        its = (row for row in found.rows if row.handler == called)
        yield (
            handler,
            called,
            next((row for row in its if (row.kind, row.name) == (handler.kind, handler.name)), None),
        )


def _is_complete(found: Roster, *, runs_handlers: bool) -> bool:
    for handler, called, row in _own_handlers(found):
        if row is None or (row.is_retired and runs_handlers):
            return False
        if not handler.ids <= row.ids or _keeps_order(handler, row) != row.ordered:
            return False
        if called in handler.aliases:
            return False
    return not (runs_handlers and _dropped_kinds(found))


def _keeps_order(handler: Handler, row: Row | None) -> bool:
    return handler.ordered or bool(row and row.ordered and row.was_ordered_lately)


def _dropped_kinds(found: Roster) -> list[int]:
    """Ids of rows with a message that no running version wants for a handler of this process."""
    own = list(_own_handlers(found))
    names, rows = {called for _, called, _ in own}, {row.id for _, _, row in own if row}
    return [
        row.id
        for row in found.rows
        if row.handler in names and row.id not in rows and row.is_unseen and not row.is_retired
    ]


def _rename(found: Roster) -> None:
    """Replace earlier names of handlers in the table by their names of today."""
    for handler in registry.handlers():
        for was in {row.handler for row in found.rows if row.handler in handler.aliases}:
            taken = {(row.kind, row.name) for row in found.rows if row.handler == handler.id}
            with connection.cursor() as cursor:
                for row in found.rows:
                    if row.handler == was and (row.kind, row.name) in taken:
                        cursor.execute(DROP, {"id": row.id})
                cursor.execute(RENAME, {"to": handler.id, "was": was})
            log.warning("handler renamed", handler=handler.id, was=was)
            found = known.reload()


def _write(found: Roster, *, runs_handlers: bool) -> None:
    with connection.cursor() as cursor:
        for handler, called, row in _own_handlers(found):
            known = {name for one in found.rows if one.handler == called for name in one.ids}
            if row is None or row.is_retired:
                log.info("handler known", handler=called, takes=handler.name, again=row is not None)
            cursor.execute(
                UPSERT,
                {
                    "handler": called,
                    "aliases": sorted((known | handler.ids) - {called}),
                    "kind": handler.kind,
                    "name": handler.name,
                    "ordered": handler.ordered,
                    "keeps_order": _keeps_order(handler, row),
                    "runs_handlers": runs_handlers,
                    "by": _process(),
                },
            )
        if runs_handlers and (gone := _dropped_kinds(found)):
            cursor.execute(RETIRE_DROPPED, {"ids": gone})


def _record_seen(found: Roster) -> None:
    own = [(handler, row) for handler, _, row in _own_handlers(found) if row]
    with connection.cursor() as cursor:
        cursor.execute(
            SEEN,
            {
                "by": _process(),
                "ids": [row.id for _, row in own],
                "ordered": [row.id for handler, row in own if handler.ordered],
            },
        )


def _process() -> str:
    return f"{socket.gethostname()}, process {os.getpid()}"
