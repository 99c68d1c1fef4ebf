"""The real servers of this machine that tests of whole platforms can use, and databases on them."""

import os
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import psycopg2
import redis
from psycopg2 import sql

from atoll import conf

PREFIX = "journeys_"
ANSWER_TIMEOUT_S = 2
# The addresses of Debian's packages, with the accounts that they usually admit.
STANDARD = {
    "DATABASE_URL": "postgres://postgres@127.0.0.1:5432",
    "RABBITMQ_URL": "amqp://guest:guest@127.0.0.1:5672//",
    "REDIS_URL": "redis://127.0.0.1:6379/9",
}


def accepts_connections(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def real_servers() -> dict[str, str]:
    """URLs of real servers: from the variables, or found on this machine's standard ports.

    The keys are those of DATABASE_URL, RABBITMQ_URL and REDIS_URL with a server. A server without a
    variable counts only if it admits us: a PostgreSQL that asks for a password is not for tests.
    """
    found = {name: os.environ[name] for name in STANDARD if os.environ.get(name)}
    return found | {
        name: url for name, url in STANDARD.items() if name not in found and _LETS_US_IN[name](url)
    }


def create_databases(url: str) -> None:
    """Make empty databases for a platform with ATOLL_DATABASE_PREFIX=``PREFIX``. Drops older ones."""
    connection = _maintenance(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        for project in conf.projects().values():
            name = sql.Identifier(PREFIX + project.database)
            cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
            cursor.execute(sql.SQL("CREATE DATABASE {}").format(name))
    connection.close()


def _maintenance(url: str) -> "psycopg2.extensions.connection":
    parts = urlsplit(url)
    return psycopg2.connect(
        host=parts.hostname,
        port=parts.port,
        user=parts.username,
        password=parts.password,
        dbname="postgres",
        connect_timeout=ANSWER_TIMEOUT_S,
    )


def _postgres(url: str) -> bool:
    try:
        connection = _maintenance(url)
    except psycopg2.OperationalError:
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user")
        (may_create,) = cursor.fetchone()
    connection.close()
    return bool(may_create)


def _rabbitmq(url: str) -> bool:
    parts = urlsplit(url)
    return accepts_connections(parts.hostname or "127.0.0.1", parts.port or 5672)


def _redis(url: str) -> bool:
    client = redis.Redis.from_url(
        url, socket_connect_timeout=ANSWER_TIMEOUT_S, socket_timeout=ANSWER_TIMEOUT_S
    )
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


_LETS_US_IN: dict[str, Callable[[str], bool]] = {
    "DATABASE_URL": _postgres,
    "RABBITMQ_URL": _rabbitmq,
    "REDIS_URL": _redis,
}
