"""The short run, run once for all tests that inspect its results."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from atoll import conf
from atoll.dev import postgres
from atoll.testing.running import eventually
from tests.chaos.check.evidence import Evidence

RUN_TIMEOUT_S = 280
SEED = 11


@dataclass
class Run:
    """The output of ``python -m tests.chaos``, and the JSON of its last line."""

    exit_code: int
    printed: str
    home: Path

    @property
    def summary(self) -> dict[str, Any]:
        return dict(json.loads(self.printed.strip().splitlines()[-1]))


def chaos(home: str, *arguments: str) -> Run:
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", *arguments],
        cwd=conf.root(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RUN_TIMEOUT_S,
        check=False,
    )
    return Run(done.returncode, done.stdout, conf.root() / ".atoll" / home)


@pytest.fixture(scope="session")
def short_run() -> Run:
    return chaos("chaos", f"seed={SEED}")


@pytest.fixture(scope="session")
def sabotaged_run() -> Run:
    return chaos("chaos-sabotaged", f"seed={SEED}", "sabotage=yes")


@pytest.fixture(scope="session")
def databases(short_run: Run) -> Iterator[dict[str, str]]:
    """Serve the databases of the short run again. Yields each project's address."""
    server = postgres.prepare(short_run.home)
    account = server.account.popen_options() if server.account else {}
    process = subprocess.Popen(
        server.argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **account
    )
    try:
        eventually(lambda: _answers(server.url()), what="PostgreSQL serves what the run left")
        yield {
            project: server.url(conf.project(project).database)
            for project in ("users", "products", "orders", "payments")
        }
    finally:
        process.send_signal(postgres.FAST_SHUTDOWN)
        process.wait(20)


def _answers(url: str) -> bool:
    try:
        psycopg2.connect(url).close()
    except psycopg2.OperationalError:
        return False
    return True


class Doctored(Evidence):
    """The short run's evidence for a test to change. The test's end rolls every change back."""

    def __init__(self, journal: Path, connections: dict[str, Any]) -> None:
        super().__init__(journal, connections)
        # The run has stopped its broker.
        self.run["amqp_port"] = None

    def change(self, project: str, statement: str, *parameters: Any) -> list[Any]:
        """Run SQL that no service would run, without triggers. Returns the first row that the SQL returns."""
        connection = self._connections[project]
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(statement, parameters)
            assert cursor.rowcount > 0, "nothing to doctor"
            return list(cursor.fetchone()) if cursor.description else []


@pytest.fixture
def evidence(short_run: Run, databases: dict[str, str]) -> Iterator[Doctored]:
    connections = {project: psycopg2.connect(url) for project, url in databases.items()}
    yield Doctored(short_run.home / "journal.jsonl", connections)
    for connection in connections.values():
        connection.rollback()
        connection.close()
