"""Where psycopg 3 differs from psycopg2, for a session or a cursor of Django's connection.

Django takes psycopg 3 when both are installed.
"""

from dataclasses import dataclass
from typing import Any

from django.db.backends.postgresql.psycopg_any import is_psycopg3

# libpq's PQTRANS_INTRANS.
IN_TRANSACTION = 2


@dataclass(frozen=True, slots=True)
class Notification:
    channel: str
    payload: str


def to_last_result(cursor: Any) -> None:
    """Have the cursor give the rows of the last statement of several that it executed in one text.

    psycopg2 gives these by itself, psycopg 3 gives those of the first statement.
    """
    if is_psycopg3:
        while cursor.nextset():
            pass


def is_in_transaction(session: Any) -> bool:
    """Whether the session is inside a transaction that has met no error."""
    status = session.info.transaction_status
    return int(status) == IN_TRANSACTION


class Notifications:
    """The notifications that a session has received and nobody has taken."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._kept: list[Notification] = []
        if is_psycopg3:
            # It gives a handler those that it reads together with the answer to a query.
            session.add_notify_handler(self._kept.append)

    def __bool__(self) -> bool:
        return bool(self._kept if is_psycopg3 else self._session.notifies)

    def take(self) -> list[Any]:
        """Read what has arrived, without waiting. Returns objects with ``channel`` and ``payload``, oldest
        first. Raises the driver's errors when the session has ended."""
        if not is_psycopg3:
            self._session.poll()
            taken = list(self._session.notifies)
            self._session.notifies.clear()
            return taken
        server, encoding = self._session.pgconn, self._session.info.encoding
        server.consume_input()
        while found := server.notifies():
            self._kept.append(Notification(found.relname.decode(encoding), found.extra.decode(encoding)))
        taken = list(self._kept)
        self._kept.clear()
        return taken
