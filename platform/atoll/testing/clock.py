"""Virtual time: the database's clock, set by the test.

The bus reads only the database's clock. Functions of ours, in a schema that PostgreSQL searches before
its own, replace ``statement_timestamp()`` and similar functions for one connection.
"""

from datetime import datetime

from django.db import connection

SCHEMA = "atoll_virtual_time"
FUNCTIONS = ("statement_timestamp", "transaction_timestamp", "clock_timestamp", "now")
SETTING = "atoll.now"

CREATE = f"CREATE SCHEMA IF NOT EXISTS {SCHEMA};" + "".join(
    f"CREATE OR REPLACE FUNCTION {SCHEMA}.{name}() RETURNS timestamptz LANGUAGE sql STABLE "
    f"AS $$ SELECT current_setting('{SETTING}')::timestamptz $$;"
    for name in FUNCTIONS
)
INSTALL = f"""
SELECT set_config('{SETTING}', %(now)s, false),
       set_config('search_path', '{SCHEMA}, pg_catalog, ' || %(path)s, false)
"""


class DatabaseClock:
    """The clock of this thread's database connection; real until it is set.

    From then on it stands still between two calls of ``set``. ``CURRENT_TIMESTAMP``
    in SQL and Python's clocks stay real.
    """

    def __init__(self) -> None:
        self._now: datetime | None = None
        self._path = ""

    def now(self) -> datetime:
        if self._now is not None:
            return self._now
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_catalog.statement_timestamp()")
            moment: datetime = cursor.fetchone()[0]
        return moment

    def set(self, now: datetime) -> None:
        if self._now is None:
            with connection.cursor() as cursor:
                cursor.execute("SHOW search_path")
                self._path = cursor.fetchone()[0]
                cursor.execute(CREATE)
        self._now = now
        self.apply()

    def apply(self) -> None:
        """Set the time on the connection again, after a reconnect or a rollback."""
        if self._now is not None:
            with connection.cursor() as cursor:
                cursor.execute(INSTALL, {"now": self._now.isoformat(), "path": self._path})

    def reset(self) -> None:
        """Return to real time."""
        if self._now is None:
            return
        self._now = None
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('search_path', %s, false)", [self._path])
            cursor.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
