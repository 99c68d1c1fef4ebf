"""The database connections that the platform may open, compared with those that the server admits.

The sum covers one web process and one worker for each project of ``projects.toml``. Add the
connections of further processes.
"""

from collections.abc import Mapping
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import psycopg2

from atoll import conf
from atoll.conf import options
from atoll.postgresql import bound

WEB_THREADS = 8
# Connections beside the answering threads: health checks, listeners and others.
BESIDE_WEB = 4
BESIDE_ASGI = {"registry": 20}
# Ingest, relay, sweeper, retention, attendance, renewal of leases, readiness, failures, and the end of the
# worker.
BESIDE_HANDLERS = 9
# A prefork pool's child: its handler, its leases, and one to spare.
IN_CHILD = 3
# PostgreSQL 16 and later have a second reserve.
ADMITTED = """
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
    - COALESCE(current_setting('reserved_connections', TRUE), '0')::int
"""


def web(name: str, threads: int = WEB_THREADS) -> int:
    """The connections of one web process of the project."""
    return bound.told(threads + BESIDE_ASGI.get(name, BESIDE_WEB))


def worker(name: str) -> int:
    """The connections of one worker with its children."""
    concurrency = options.WORKER_CONCURRENCY.value(name)
    if options.WORKER_POOL.value(name) == "prefork":
        return bound.told(BESIDE_HANDLERS) + concurrency * IN_CHILD
    return bound.told(concurrency + BESIDE_HANDLERS)


def needed(name: str) -> dict[str, int]:
    """The connections by process, for all processes on the server of this project's database."""
    here = _server(name)
    found = {}
    for other, row in conf.projects().items():
        if _server(other) in (here, None):
            found[other] = web(other)
            if row.worker:
                found[f"{other}-worker"] = worker(other)
    return found


def shortage(name: str, admitted: int) -> str | None:
    """A sentence with the remedy when the server admits fewer connections than the platform may open."""
    processes = needed(name)
    total = sum(processes.values())
    if total <= admitted:
        return None
    listed = ", ".join(f"{process} {count}" for process, count in processes.items())
    return (
        f"The platform may open {total} connections to this PostgreSQL server, which admits {admitted} "
        f"({listed}). Raise its max_connections to {total + 10} or more, or lower {bound.VARIABLE}, which "
        "is for each process, WORKER_CONCURRENCY or the number of threads."
    )


def server_shortage(name: str, database: Mapping[str, Any]) -> str | None:
    """``shortage`` for the server of a ``database`` in Django's settings; None when it does not answer."""
    try:
        with closing(_connect(database)) as server, server.cursor() as cursor:
            cursor.execute(ADMITTED)
            [(admitted,)] = cursor.fetchall()
    except psycopg2.Error:
        return None
    return shortage(name, admitted)


def server_shortages() -> list[str]:
    """The shortages of all servers of the projects' databases, one sentence each; for `make up`."""
    first = {_server(name): name for name in reversed(conf.projects())}
    found = (server_shortage(name, conf.database(name)) for name in first.values())
    return [problem for problem in found if problem]


def _connect(database: Mapping[str, Any]) -> Any:
    return psycopg2.connect(
        host=database["HOST"] or None,
        port=database["PORT"] or None,
        user=database["USER"] or None,
        password=database["PASSWORD"] or None,
        dbname=database["NAME"],
        connect_timeout=5,
    )


def _server(name: str) -> tuple[str, int] | None:
    """Host and port; None where this process does not know them, as in a container of its own."""
    url = conf.variable("DATABASE_URL", name)
    if url:
        parts = urlsplit(url)
        return parts.hostname or "", parts.port or 5432
    embedded = conf.engines().get("postgres")
    return (embedded["host"], embedded["port"]) if embedded else None
