"""Statements that a session parses and plans once.

Drivers send every statement as text, and PostgreSQL plans a small one for longer than it executes it.
"""

from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from django.db import NotSupportedError, connection

from atoll.postgresql import driver

# By session and statement, the number that its name ends with.
_sessions: "WeakKeyDictionary[Any, dict[str, int]]" = WeakKeyDictionary()


class Prepared:
    """One statement with named parameters, such as ``%(id)s``.

    Django's default connection prepares it at its first use in each session, and once more after a
    migration has changed the type of a column. A session that a pooler changes between transactions
    cannot use it.
    """

    def __init__(self, name: str, sql: str, /, **types: str) -> None:
        """``name`` is unique in the process. ``types`` gives PostgreSQL's type of each parameter."""
        self._name = name
        for number, parameter in enumerate(types, start=1):
            sql = sql.replace(f"%({parameter})s", f"${number}")
        self._prepare = f" ({', '.join(types.values())}) AS {sql}"
        values = ", ".join(f"%({parameter})s::{kind}" for parameter, kind in types.items())
        self._execute = f" ({values})"

    def execute(self, cursor: Any, values: Mapping[str, Any], *, first: str = "") -> None:
        """Run it on a cursor of the default connection. ``first`` is SQL that goes before it at once.

        In a transaction, the first use after such a migration raises NotSupportedError; the next one works.
        """
        connection.ensure_connection()
        known = _sessions.setdefault(connection.connection, {})
        try:
            self._run(cursor, values, first, known)
        except NotSupportedError:
            # "cached plan must not change result type"
            known[self._name] = -known.get(self._name, 1) - 1
            if connection.in_atomic_block:
                raise
            self._run(cursor, values, first, known)

    def _run(self, cursor: Any, values: Mapping[str, Any], first: str, known: dict[str, int]) -> None:
        number = known.get(self._name, -1)
        if number < 0:
            number = -number
            cursor.execute(f"PREPARE {self._name}_{number}{self._prepare}")
            known[self._name] = number
        cursor.execute(f"{first}EXECUTE {self._name}_{number}{self._execute}", values)
        driver.to_last_result(cursor)
