"""Statements that a session parses and plans once.

psycopg2 sends every statement as text, and PostgreSQL plans a small one for longer than it executes it.
"""

from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from django.db import connection

_sessions: "WeakKeyDictionary[Any, set[str]]" = WeakKeyDictionary()


class Prepared:
    """One statement with named parameters, such as ``%(id)s``.

    Django's default connection prepares it at its first use in each session. A session that a pooler
    changes between transactions cannot use it.
    """

    def __init__(self, name: str, sql: str, /, **types: str) -> None:
        """``name`` is unique in the process. ``types`` gives PostgreSQL's type of each parameter."""
        self._name = name
        for number, parameter in enumerate(types, start=1):
            sql = sql.replace(f"%({parameter})s", f"${number}")
        self._prepare = f"PREPARE {name} ({', '.join(types.values())}) AS {sql}"
        values = ", ".join(f"%({parameter})s::{kind}" for parameter, kind in types.items())
        self._execute = f"EXECUTE {name} ({values})"

    def execute(self, cursor: Any, values: Mapping[str, Any], *, first: str = "") -> None:
        """Run it on a cursor of the default connection. ``first`` is SQL that goes before it at once."""
        connection.ensure_connection()
        known = _sessions.setdefault(connection.connection, set())
        if self._name not in known:
            cursor.execute(self._prepare)
            known.add(self._name)
        cursor.execute(first + self._execute, values)
