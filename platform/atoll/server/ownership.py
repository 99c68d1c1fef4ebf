"""Each database names the project that owns it, so that two projects never share one.

Two services in one database would share the tables of the bus: each would drop messages that the other
has received. This happens on hosts that give one DATABASE_URL with a path to all projects.

The first project that starts on a database without a mark becomes its owner. The mark is a table of
one row. It is read before any migration runs, so no migration creates it.
"""

import structlog
from django.core.exceptions import ImproperlyConfigured
from django.db import InterfaceError, OperationalError, ProgrammingError, connection, transaction
from django.db.backends.postgresql.psycopg_any import errors

from atoll import conf

log = structlog.get_logger("atoll.server")

TABLE = "atoll_database_owner"
READ = f"SELECT project FROM {TABLE}"  # noqa: S608 - a constant
CREATE = f"""
CREATE TABLE IF NOT EXISTS {TABLE} (
    is_only boolean PRIMARY KEY DEFAULT TRUE CHECK (is_only),
    project text NOT NULL,
    marked_at timestamptz NOT NULL DEFAULT statement_timestamp()
)
"""
MARK = f"INSERT INTO {TABLE} (project) VALUES (%s) ON CONFLICT DO NOTHING"  # noqa: S608
# When two projects start on an unmarked database together, one must see the mark of the other.
ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext(%s))"


def refuse_foreign() -> None:
    """Raises ImproperlyConfigured, without a write, when another project owns the database.

    Does nothing while the database is away.
    """
    try:
        with connection.temporary_connection():
            owner = claim(conf.project_name())
    except (OperationalError, InterfaceError):
        return
    except ProgrammingError as error:
        if not isinstance(error.__cause__, errors.InsufficientPrivilege):
            raise
        # This account may not create tables. Its migrations run under another account, which sets the mark.
        log.warning("the database's owner cannot be read or written", error=str(error).strip())
        return
    if owner != conf.project_name():
        raise ImproperlyConfigured(_refusal(owner))


def claim(project: str) -> str:
    """Mark the database for ``project`` if it has no mark. Returns the project that owns it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [TABLE])
        if cursor.fetchone()[0]:
            cursor.execute(READ)
            if row := cursor.fetchone():
                return str(row[0])
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(ONE_AT_A_TIME, [TABLE])
        cursor.execute(CREATE)
        cursor.execute(MARK, [project])
        cursor.execute(READ)
        return str(cursor.fetchone()[0])


def _refusal(owner: str) -> str:
    mine = conf.project_name()
    address = connection.settings_dict
    variable = f"{mine.upper().replace('-', '_')}_DATABASE_URL"
    wanted = conf.projects()[mine].database if mine in conf.projects() else f"{mine}_db"
    return (
        f"The database {address['NAME']} at {address['HOST'] or 'localhost'} belongs to the project {owner}; "
        f"{mine} needs one of its own, or each would lose messages to the other. Nothing was changed. "
        f"Create a database {wanted} and set {variable}=postgres://…/{wanted}, or leave the path out of "
        "DATABASE_URL, and every project's own database name is added."
    )
