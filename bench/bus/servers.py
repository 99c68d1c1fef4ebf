"""The benchmark's database and its queues at the broker."""

from urllib.parse import urlsplit

import psycopg2
from django.db import connection
from psycopg2 import sql

from atoll import conf
from atoll.bus.broker import transports


def create_database() -> None:
    """Create an empty database in place of an earlier one."""
    drop_database()
    _maintain("CREATE DATABASE {}")


def drop_database() -> None:
    connection.close()
    _maintain("DROP DATABASE IF EXISTS {} WITH (FORCE)")


def vacuum() -> None:
    """Vacuum the tables, so that no measurement pays for the rows of the previous one."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def delete_queues() -> None:
    names = transports.current().names
    with transports.current().connect("cleaning") as broker:
        for queue in (names.event_queue, names.command_queue, names.work_queue):
            queue(broker.default_channel).delete()
        for exchange in (names.events, names.commands):
            exchange(broker.default_channel).delete()


def _maintain(statement: str) -> None:
    parts = urlsplit(conf.variable("DATABASE_URL") or "")
    server = psycopg2.connect(
        host=parts.hostname,
        port=parts.port,
        user=parts.username,
        password=parts.password,
        dbname="postgres",
    )
    server.autocommit = True
    with server.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(sql.Identifier(conf.project("bench").database)))
    server.close()
