"""Two projects in one database: the second is refused, by name, before it has written anything."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg2
import pytest
from django.db import connection
from psycopg2 import sql

from atoll import conf
from atoll.server import ownership

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def database(django_db_setup: Any, django_db_blocker: Any) -> Iterator[str]:
    """A database that hosts would hand out, with nothing in it; its URL with its name in the path."""
    with django_db_blocker.unblock():
        account = connection.settings_dict
    name = f"shared_{uuid4().hex[:12]}"
    login = {"host": account["HOST"], "port": account["PORT"], "user": account["USER"]}
    with _session(dbname="postgres", password=account["PASSWORD"], **login) as cursor:
        cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield f"postgres://{account['USER']}:{account['PASSWORD']}@{account['HOST']}:{account['PORT']}/{name}"
    with _session(dbname="postgres", password=account["PASSWORD"], **login) as cursor:
        cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def _session(dsn: str = "", **options: Any) -> Iterator[Any]:
    opened = psycopg2.connect(dsn, **options)
    opened.autocommit = True
    try:
        yield opened.cursor()
    finally:
        opened.close()


def contents(url: str) -> dict[str, int]:
    """The tables, and how many rows each has."""
    with _session(url) as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = [name for (name,) in cursor.fetchall()]
        found = {}
        for table in tables:
            cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))
            found[table] = int(cursor.fetchone()[0])
    return found


def start(*arguments: str, **variables: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(conf.root() / "manage.py"), *arguments],
        env=os.environ | {"ATOLL_ROOT": str(conf.root())} | SECRETS | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


SECRETS = {
    "SECRET_KEY": "only-for-this-test",
    "SERVICE_SECRET": "only-for-this-test",
    "RABBITMQ_URL": "amqp://nobody:nothing@127.0.0.1:1//",
}


def test_the_second_project_is_refused_before_it_writes_whatever_it_starts(database: str) -> None:
    """With DATABASE_URL as most hosts hand it out."""
    with _session(database) as cursor:
        cursor.execute(ownership.CREATE)
        cursor.execute(ownership.MARK, ["products"])
    name = database.rpartition("/")[2]
    commands = (("bootstrap", "orders"), ("orders", "worker"), ("orders", "serve", "--port", "0"))
    for process in [start(*command, DATABASE_URL=database) for command in commands]:
        output, _ = process.communicate(timeout=100)
        said = " ".join(output.split())
        assert process.returncode == 1, said
        assert f"The database {name} at " in said
        assert "belongs to the project products; orders needs one of its own" in said
        assert "ORDERS_DATABASE_URL=postgres://…/order_service_db" in said
        assert "Traceback" not in said
    assert contents(database) == {ownership.TABLE: 1}


@pytest.fixture
def unmarked() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {ownership.TABLE}")
    yield
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {ownership.TABLE}")
    ownership.refuse_foreign()


def owner() -> list[tuple[str]]:
    with connection.cursor() as cursor:
        cursor.execute(ownership.READ)
        found: list[tuple[str]] = cursor.fetchall()
    return found


def test_a_database_from_before_the_mark_takes_the_name_of_its_project(unmarked: None) -> None:
    ownership.refuse_foreign()
    ownership.refuse_foreign()
    assert owner() == [("library",)]


def test_of_two_projects_that_start_at_once_one_is_refused(unmarked: None) -> None:
    def start(project: str) -> str:
        try:
            return ownership.claim(project)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        owners = list(pool.map(start, ["one", "two"] * 4))
    ((winner,),) = owner()
    assert owners == [winner] * 8


def test_a_database_that_is_away_is_left_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "PORT", "1")
    ownership.refuse_foreign()


def test_an_account_that_may_not_create_tables_leaves_the_mark_to_its_migrations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each driver of PostgreSQL has an error class of its own; `make test-matrix` runs both."""

    def claim(project: str) -> str:
        with connection.cursor() as cursor:
            cursor.execute("SET ROLE pg_monitor; CREATE TABLE public.not_allowed ()")
        return project

    monkeypatch.setattr(ownership, "claim", claim)
    ownership.refuse_foreign()
