"""A second session on the test's database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection


@contextmanager
def another_connection() -> Iterator[Any]:
    """Open a second session on the test's database, as another process does."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            yield cursor
    finally:
        other.close()
