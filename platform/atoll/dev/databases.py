"""One database and one role per project: each role owns its own and reaches no other."""

from collections.abc import Mapping
from contextlib import closing, suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg2
from psycopg2 import errors, sql

from atoll import conf


class DatabaseError(Exception):
    """A real server does not answer or lacks a database. The message gives the remedy."""


def make_own(superuser_url: str, *, may_create_databases: bool = False) -> None:
    """Make every project's role and database on the embedded server, and set the roles' passwords.

    ``may_create_databases`` is for tests, whose runner makes databases of its own.
    """
    with closing(psycopg2.connect(superuser_url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT rolname FROM pg_roles")
            roles = {name for (name,) in cursor.fetchall()}
            cursor.execute("SELECT datname FROM pg_database")
            databases = {name for (name,) in cursor.fetchall()}
            if not may_create_databases:
                for name in ("postgres", "template1"):
                    cursor.execute(
                        sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name))
                    )
            for project in conf.projects().values():
                if conf.variable("DATABASE_URL", project.name):
                    continue
                role, database = sql.Identifier(project.role), sql.Identifier(project.database)
                verb = sql.SQL("ALTER" if project.role in roles else "CREATE")
                cursor.execute(
                    sql.SQL("{} ROLE {} LOGIN NOSUPERUSER {} PASSWORD %s").format(
                        verb, role, sql.SQL("CREATEDB" if may_create_databases else "NOCREATEDB")
                    ),
                    [conf.secret("DATABASE_PASSWORD", project.name)],
                )
                if project.database not in databases:
                    # file_copy would checkpoint for each database. A crash may undo one second of this work.
                    cursor.execute(
                        sql.SQL("CREATE DATABASE {} OWNER {} STRATEGY wal_log").format(database, role)
                    )
                    cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))


def make_from_url(admin_url: str, wanted: Mapping[str, Any]) -> None:
    """Make the role and the database that Django's settings name, where they are missing.

    The role gets the password of the settings, also a changed one. No other role may connect to the
    database. Safe to repeat, and at the same moment for several projects. Raises
    DatabaseError.
    """
    role, database = sql.Identifier(wanted["USER"]), sql.Identifier(wanted["NAME"])
    try:
        with closing(psycopg2.connect(admin_url, connect_timeout=5)) as server:
            server.autocommit = True
            with server.cursor() as cursor:
                # Two sessions that revoke from one database at once would fail.
                cursor.execute("SELECT pg_advisory_lock(hashtext('atoll.bootstrap'))")
                cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", [wanted["USER"]])
                verb = sql.SQL("CREATE" if cursor.fetchone() is None else "ALTER")
                cursor.execute(
                    sql.SQL("{} ROLE {} LOGIN PASSWORD %s").format(verb, role), [wanted["PASSWORD"]]
                )
                cursor.execute("SELECT FROM pg_database WHERE datname = %s", [wanted["NAME"]])
                if cursor.fetchone() is None:
                    # Before PostgreSQL 16 only members of a role may give it a database.
                    cursor.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(role))
                    cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, role))
                for shared in (database, sql.Identifier("postgres"), sql.Identifier("template1")):
                    cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(shared))
    except psycopg2.Error as error:
        raise DatabaseError(
            f"DATABASE_ADMIN_URL cannot make the database {wanted['NAME']!r}: {error}".strip()
        ) from error


def checkpoint(superuser_url: str) -> None:
    """Write all changes to disk now, so that the server stops at once later."""
    with suppress(psycopg2.Error), closing(psycopg2.connect(superuser_url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("CHECKPOINT")


def ensure_on_real_servers() -> None:
    """Make the missing databases that DATABASE_URL variables name.

    Raises DatabaseError when a server does not answer or does not allow it.
    """
    for project in conf.projects().values():
        if not conf.variable("DATABASE_URL", project.name):
            continue
        options = conf.database(project.name)
        login = {
            "host": options["HOST"] or None,
            "port": options["PORT"] or None,
            "user": options["USER"] or None,
            "password": options["PASSWORD"] or None,
            "connect_timeout": 5,
        }
        try:
            psycopg2.connect(dbname=options["NAME"], **login).close()
        except psycopg2.OperationalError as error:
            if "does not exist" not in str(error) or options["NAME"] not in str(error):
                raise DatabaseError(
                    f"The database of {project.name} at {options['HOST']}:{options['PORT'] or 5432} "
                    f"does not let us in: {error}".strip()
                ) from error
            _create(project.name, options["NAME"], login)


def _create(project: str, database: str, login: dict[str, object]) -> None:
    try:
        with closing(psycopg2.connect(dbname="postgres", **login)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    except errors.DuplicateDatabase:
        return
    except psycopg2.Error as error:
        raise DatabaseError(
            f"The database {database!r} of {project} does not exist, and {login['user']!r} may not make it: "
            f"{error}. Make it with `createdb {database}`."
        ) from error


def with_database(url: str, name: str) -> str:
    """The same server's URL, naming another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
