"""Counting the statements of a use case."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.test.utils import CaptureQueriesContext

__all__ = ["own_statements"]

# A session prepares a statement once. The names of the bus's begin with the library's.
_NOT_OWN = ("BEGIN", "COMMIT", "ROLLBACK", "NOTIFY", "PREPARE", "EXECUTE atoll_")


@contextmanager
def own_statements() -> Iterator[list[str]]:
    """The round trips of the block to the database, as SQL, complete at its end.

    Without those of the bus, and without the begin and the end of a transaction. Savepoints count.
    """
    own: list[str] = []
    with CaptureQueriesContext(connection) as captured:
        yield own
    statements = [str(query["sql"]).strip() for query in captured]
    own += [sql for sql in statements if "atoll_bus_" not in sql and not sql.startswith(_NOT_OWN)]
