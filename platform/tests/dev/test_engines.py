import asyncio
import json
import os
import shutil
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
import redis
from django.core.cache.backends.redis import RedisCache
from kombu import Connection

from atoll import conf
from atoll.dev import account, databases, engines
from atoll.dev.engines import Engines
from atoll.dev.process import State
from atoll.dev.supervisor import Supervisor

SERVERS = ("DATABASE_URL", "REDIS_URL", "RABBITMQ_URL")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A new home on a machine where no variable points at a real server."""
    for name in list(os.environ):
        if name.endswith(SERVERS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ATOLL_HOME", str(tmp_path))
    conf.ensure_local_secrets()
    yield tmp_path
    # Run by root, the data lies where PostgreSQL's account reaches it; see atoll.dev.account.
    if (tmp_path / "postgres").is_symlink():
        shutil.rmtree((tmp_path / "postgres").resolve())


def run_engines(home: Path, check: Callable[[Engines, Supervisor], Awaitable[None]]) -> None:
    async def whole() -> None:
        supervisor = Supervisor(forks=False)
        await supervisor.open()
        try:
            found = engines.prepare(home)
            supervisor.add(found.specs(home))
            await supervisor.ready()
            await check(found, supervisor)
        finally:
            await supervisor.stop()

    asyncio.run(whole())


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def login(project: str, database: str) -> str:
    host = conf.engines()["postgres"]
    role, password = conf.project(project).role, conf.secret("DATABASE_PASSWORD", project)
    return f"postgres://{role}:{password}@{host['host']}:{host['port']}/{database}"


def test_each_role_reaches_its_own_database_and_no_other(home: Path):
    async def check(found: Engines, supervisor: Supervisor) -> None:
        assert found.postgres is not None
        databases.make_own(found.postgres.url())
        databases.make_own(found.postgres.url())  # safe to repeat
        assert query(login("orders", "order_service_db"), "SELECT current_user") == [("order_service",)]
        for foreign in ("user_service_db", "postgres", "template1"):
            with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
                psycopg2.connect(login("orders", foreign))
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            psycopg2.connect(login("orders", "order_service_db"), password="wrong")

    run_engines(home, check)


def test_acknowledged_writes_are_durable_by_the_server_s_own_settings(home: Path):
    async def check(found: Engines, supervisor: Supervisor) -> None:
        assert found.postgres is not None
        url = found.postgres.url()
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            assert query(url, f"SHOW {name}") == [("on",)]
        assert query(url, "SHOW listen_addresses") == [("127.0.0.1",)]

    run_engines(home, check)


def test_data_of_both_engines_survives_kill_9_and_a_new_start_on_other_ports(home: Path):
    async def write_then_kill(found: Engines, supervisor: Supervisor) -> None:
        assert found.postgres is not None
        with closing(psycopg2.connect(found.postgres.url())) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE kept AS SELECT 42 AS answer")
            connection.commit()
        with closing(redis.Redis.from_url(conf.redis_url())) as client:
            client.set("kept", "yes")
        # Data that the kernel holds survive the process; only a crash of the machine loses them.
        for name in ("postgres", "valkey"):
            member = supervisor.members[name]
            pid = member.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            async with asyncio.timeout(15):
                while member.state != State.READY or member.pid == pid:
                    await asyncio.sleep(0.02)

    async def read(found: Engines, supervisor: Supervisor) -> None:
        assert found.postgres is not None
        assert query(found.postgres.url(), "SELECT answer FROM kept") == [(42,)]
        with closing(redis.Redis.from_url(conf.redis_url())) as client:
            assert client.get("kept") == b"yes"

    run_engines(home, write_then_kill)
    run_engines(home, read)


def test_a_stale_lock_file_naming_another_program_s_process_does_not_stop_the_start(home: Path):
    async def nothing(found: Engines, supervisor: Supervisor) -> None:
        pass

    run_engines(home, nothing)
    lock = (home / "postgres").resolve() / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{lock.parent}\n0\n5432\n\n127.0.0.1\n0 0\nready\n")

    run_engines(home, nothing)

    assert not lock.exists()


def test_cache_and_broker_share_a_server_but_not_their_keys(home: Path):
    async def check(found: Engines, supervisor: Supervisor) -> None:
        with Connection(conf.broker_url()) as broker:
            queue = broker.SimpleQueue("orders")
            queue.put({"order": 1})
            cache = RedisCache(conf.redis_url(), {})
            cache.set("page", "one")
            assert cache.get("page") == "one"
            cache.clear()
            assert cache.get("page") is None
            assert queue.get(timeout=5).payload == {"order": 1}
            queue.close()

    run_engines(home, check)


def test_valkey_lets_nobody_in_without_the_password(home: Path):
    async def check(found: Engines, supervisor: Supervisor) -> None:
        assert found.valkey is not None
        stranger = redis.Redis(found.valkey.host, found.valkey.port)
        with pytest.raises(redis.AuthenticationError):
            stranger.ping()
        assert os.stat(home / "engines.json").st_mode & 0o777 == 0o600

    run_engines(home, check)


def test_where_variables_name_real_servers_no_engine_is_started(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://db.example")
    monkeypatch.setenv("REDIS_URL", "redis://cache.example")
    monkeypatch.setenv("RABBITMQ_URL", "amqp://mq.example//")

    found = engines.prepare(home)

    assert found.specs(home) == []
    assert json.loads((home / "engines.json").read_text()) == {}
    assert not (home / "postgres").exists()


def test_valkey_stays_the_cache_when_only_rabbitmq_is_real(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RABBITMQ_URL", "amqp://mq.example//")

    found = engines.prepare(home)

    assert [spec.name for spec in found.specs(home)] == ["postgres", "valkey"]
    assert not found.broker_is_embedded
    assert conf.broker_url() == "amqp://mq.example//"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lends PostgreSQL an account of its own")
def test_data_of_a_home_that_was_deleted_is_dropped_when_the_next_one_is_made(home: Path, tmp_path: Path):
    def made(name: str) -> Path:
        closed = tmp_path / name
        closed.mkdir(mode=0o700)
        account.reachable_data(closed / "postgres")
        return closed

    first = made("first")
    kept = (first / "postgres").resolve()
    assert (first / "postgres").is_symlink() and kept.is_dir()
    shutil.rmtree(first)

    second = made("second")

    assert not kept.exists()
    assert (second / "postgres").resolve().is_dir()
    shutil.rmtree((second / "postgres").resolve())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lends PostgreSQL an account of its own")
def test_root_is_told_which_account_and_folders_are_made(tmp_path: Path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    data = account.reachable_data(closed / "postgres")

    told = account.told(closed / "postgres", tmp_path / "programs")

    lent = account.server_account()
    assert lent is not None
    assert told == (
        f"As root: PostgreSQL runs under the account {lent.name} (made if it was missing), "
        f"keeps its data in {data} and is run from {tmp_path / 'programs'}."
    )
    assert str(data).startswith("/var/lib/atoll/")
    shutil.rmtree(data)
