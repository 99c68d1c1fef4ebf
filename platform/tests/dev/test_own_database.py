"""A project's role and database, made with a superuser's URL where they are missing."""

from contextlib import closing
from functools import partial

import psycopg2
import pytest
from django.db import connection

from atoll.dev.databases import DatabaseError, make_from_url
from atoll.testing.races import at_once

ROLES = ("test_own_one", "test_own_two")
FIRST = "first"


def admin_url(password: str | None = None) -> str:
    at = connection.settings_dict
    return f"postgres://{at['USER']}:{password or at['PASSWORD']}@{at['HOST']}:{at['PORT']}/postgres"


def wanted(role: str, password: str = FIRST) -> dict[str, str]:
    at = connection.settings_dict
    return {"HOST": at["HOST"], "PORT": at["PORT"], "NAME": f"{role}_db", "USER": role, "PASSWORD": password}


def enter(role: str, password: str, database: str) -> str:
    at = connection.settings_dict
    with (
        closing(
            psycopg2.connect(host=at["HOST"], port=at["PORT"], user=role, password=password, dbname=database)
        ) as entered,
        entered.cursor() as cursor,
    ):
        cursor.execute("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()")
        return str(cursor.fetchone()[0])


@pytest.fixture(autouse=True)
def _cleared(db):
    def clear():
        with closing(psycopg2.connect(admin_url())) as server:
            server.autocommit = True
            with server.cursor() as cursor:
                for role in ROLES:
                    cursor.execute(f"DROP DATABASE IF EXISTS {role}_db WITH (FORCE)")
                    cursor.execute(f"DROP ROLE IF EXISTS {role}")

    clear()
    yield
    clear()


def test_what_is_missing_is_made_and_belongs_to_the_project_alone():
    for role in ROLES:
        make_from_url(admin_url(), wanted(role))
    assert enter(ROLES[0], "first", f"{ROLES[0]}_db") == ROLES[0]
    for closed in (f"{ROLES[1]}_db", "postgres"):
        with pytest.raises(psycopg2.OperationalError, match="permission denied"):
            enter(ROLES[0], "first", closed)


def test_it_may_be_repeated_and_a_new_password_counts():
    make_from_url(admin_url(), wanted(ROLES[0]))
    make_from_url(admin_url(), wanted(ROLES[0], "second"))
    assert enter(ROLES[0], "second", f"{ROLES[0]}_db") == ROLES[0]
    with pytest.raises(psycopg2.OperationalError, match="password"):
        enter(ROLES[0], "first", f"{ROLES[0]}_db")


def test_a_superuser_that_is_not_let_in_is_told():
    with pytest.raises(DatabaseError, match="DATABASE_ADMIN_URL cannot make the database 'test_own_one_db'"):
        make_from_url(admin_url("wrong"), wanted(ROLES[0]))


def test_several_projects_may_be_set_up_at_once():
    at_once([partial(make_from_url, admin_url(), wanted(role)) for role in ROLES * 3])
    assert {enter(role, "first", f"{role}_db") for role in ROLES} == set(ROLES)
