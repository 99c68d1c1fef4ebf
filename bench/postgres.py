"""A PostgreSQL server for one measurement, which counts its statements."""

import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

from atoll.dev import postgres
from atoll.dev.databases import with_database

START_TIMEOUT_S = 30.0
# Checkpoints at random moments would make some runs write whole pages to the log.
COUNTING = {
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.max": "20000",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
}
COUNTS = """
SELECT (SELECT coalesce(sum(calls), 0) FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
        WHERE d.datname LIKE %(prefix)s)::bigint,
       (SELECT sum(xact_commit) FROM pg_stat_database WHERE datname LIKE %(prefix)s)::bigint,
       pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint
"""


@dataclass(frozen=True)
class Counts:
    """Totals since the start of the server. A session counts its commits with up to a second's delay."""

    statements: int
    commits: int
    wal_bytes: int

    def __sub__(self, earlier: "Counts") -> "Counts":
        return Counts(
            self.statements - earlier.statements,
            self.commits - earlier.commits,
            self.wal_bytes - earlier.wal_bytes,
        )


@dataclass(frozen=True)
class Server:
    """A running server. ``url`` names no database; ``prefix`` begins the names of those that count."""

    url: str
    pid: int
    prefix: str

    def counts(self) -> Counts:
        (row,) = self.rows("postgres", COUNTS, {"prefix": f"{self.prefix}%"})
        return Counts(*row)

    def rows(self, database: str, statement: str, values: Any = None) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(with_database(self.url, database))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall() if cursor.description else []


@contextmanager
def running(prefix: str) -> Iterator[Server]:
    """The embedded PostgreSQL with empty data and the settings of ``make up``. Raises EngineError."""
    with tempfile.TemporaryDirectory(prefix="atoll-bench-") as name:
        made = postgres.prepare(Path(name))
        options = [part for key, value in COUNTING.items() for part in ("-c", f"{key}={value}")]
        account = made.account.popen_options() if made.account else {}
        with (Path(name) / "postgres.log").open("w+") as log:
            process = subprocess.Popen(
                [*made.argv, *options],
                cwd="/",
                stdout=log,
                stderr=log,
                **account,  # type: ignore[call-overload]
            )
            try:
                server = Server(made.url("").rstrip("/"), process.pid, prefix)
                _wait(server, process, log)
                server.rows("postgres", "CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
                yield server
            finally:
                process.send_signal(signal.SIGINT)
                process.wait()


def _wait(server: Server, process: subprocess.Popen[bytes], log: Any) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            server.rows("postgres", "SELECT 1")
            return
        except psycopg2.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                log.seek(0)
                raise postgres.EngineError(f"PostgreSQL did not start: {error}\n{log.read()}") from error
            time.sleep(0.05)
