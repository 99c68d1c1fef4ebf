"""A reader with a database and a broker, who follows docs/recipes/add-the-bus.md once for all tests."""

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import unquote, urlsplit

import psycopg2
import pytest
from kombu import Connection
from psycopg2 import sql

from atoll.bus.broker.topology import Topology
from atoll.dev import ports
from tests.standalone.reader import ROOT, Reader, copy_of_the_platform
from tests.standalone.shop import Shop, follow

RECIPE = ROOT / "docs" / "recipes" / "add-the-bus.md"
LOCAL_BROKER = "amqp://guest:guest@127.0.0.1:5672//"
# The names of the recipe.
NAME = "shop"


@pytest.fixture(scope="session")
def broker() -> Iterator[dict[str, str]]:
    """Variables for a part of RabbitMQ that nobody else uses; its queues are deleted at the end."""
    url = os.environ.get("ATOLL_TEST_RABBITMQ") or LOCAL_BROKER
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 5672), timeout=2).close()
    except OSError:
        say = pytest.fail if os.environ.get("ATOLL_REQUIRE_RABBITMQ") else pytest.skip
        say(f"no RabbitMQ answers at {parts.hostname}")
    prefix = f"standalone-{secrets.token_hex(4)}."
    # The recipe's own address counts, unless the tests were given another one.
    yield {"BUS_PREFIX": prefix} | ({"RABBITMQ_URL": url} if url != LOCAL_BROKER else {})
    names = Topology(service=NAME, prefix=prefix)
    with Connection(url) as connection:
        channel = connection.channel()
        for queue in (names.event_queue, names.command_queue, names.work_queue):
            queue(channel).delete()
        for exchange in (names.events, names.commands):
            exchange(channel).delete()


@pytest.fixture(scope="session")
def database() -> Iterator[dict[str, str]]:
    """Variables of PostgreSQL's own clients for an empty database ``shop`` and a role that owns it.

    The role may make the database of the recipe's own test.
    """
    parts = urlsplit(os.environ["ATOLL_TEST_DATABASE_URL"])
    server = {"host": parts.hostname, "port": parts.port or 5432}
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    role, secret = f"shop_{secrets.token_hex(4)}", secrets.token_hex(16)
    with closing(psycopg2.connect(**server, user=user, password=password, dbname="postgres")) as opened:
        opened.autocommit = True
        with opened.cursor() as cursor:
            name, owner = sql.Identifier(NAME), sql.Identifier(role)
            for left in (NAME, f"test_{NAME}"):  # by a run that was killed
                drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
                cursor.execute(drop.format(sql.Identifier(left)))
            create = sql.SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {}")
            cursor.execute(create.format(owner, sql.Literal(secret)))
            cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, owner))
            # Django makes and drops a test's database from there, as PostgreSQL lets everybody. A server of
            # our own platform, on which other suites run, does not.
            cursor.execute(sql.SQL("GRANT CONNECT ON DATABASE postgres TO {}").format(owner))
            yield {
                "PGHOST": str(server["host"]),
                "PGPORT": str(server["port"]),
                "PGUSER": role,
                "PGPASSWORD": secret,
            }
            cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
            cursor.execute(sql.SQL("DROP OWNED BY {}").format(owner))
            cursor.execute(sql.SQL("DROP ROLE {}").format(owner))


@pytest.fixture(scope="session")
def reader(
    broker: dict[str, str], database: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Reader]:
    folder = tmp_path_factory.mktemp("recipe")
    clone = copy_of_the_platform(tmp_path_factory.mktemp("clone"))
    reader = Reader(folder, broker | database | {"CLONE": str(clone)}, ports.free())
    yield reader
    reader.close()


@pytest.fixture(scope="session")
def shop(reader: Reader) -> Shop:
    """The project after the last step of the recipe."""
    return follow(reader, RECIPE)
