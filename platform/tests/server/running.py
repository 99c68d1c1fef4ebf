"""Real processes for the tests of `serve`: a registry and instances of the library's test project,
with a home, a database and ports of their own."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import psycopg2
import requests
from django.db import connection

from atoll import conf
from atoll.dev import ports
from atoll.testing.running import eventually

REPOSITORY = Path(__file__).resolve().parents[3]
SECRETS = {"registry": "registry-secret-for-serve-tests", "library": "library-secret-for-serve-tests"}
SERVICE = "library-service"
REGISTRY_DATABASE = "test_serve_registry"
PROJECTS = """
[registry]
package = "registry"
service = "registry"
port = {port}
database = "registry_db"
server = "asgi"
worker = false

[library]
package = "testproject"
service = "library-service"
port = 0
database = "atoll_library"
server = "wsgi"
worker = false
"""


class Process:
    """One ``serve``, with its output in a file."""

    def __init__(self, world: "World", settings: str, arguments: list[str], log: Path) -> None:
        self.log = log
        self._output: IO[bytes] = log.open("wb")
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "django", "serve", *arguments],
            cwd=REPOSITORY,
            env=world.environment | {"DJANGO_SETTINGS_MODULE": settings},
            stdout=self._output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def printed(self) -> str:
        return self.log.read_text()

    def terminate(self) -> int:
        """SIGTERM; the exit code."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(60)

    def close(self) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()
        self._output.close()

    def workers(self) -> list[int]:
        listed = Path(f"/proc/{self.popen.pid}/task/{self.popen.pid}/children").read_text()
        return [int(pid) for pid in listed.split()]


class World:
    """Starts with a registry; ``serve()`` adds an instance of the test project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.registry_port = ports.free()
        self.processes: list[Process] = []
        (folder / "projects.toml").write_text(PROJECTS.format(port=self.registry_port))
        self.environment = {
            **os.environ,
            "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'platform'}:{REPOSITORY / 'platform' / 'tests'}",
            "ATOLL_ROOT": str(folder),
            "ATOLL_HOME": str(folder),
            "ATOLL_TEST_DATABASE_URL": url_of(str(connection.settings_dict["NAME"])),
            "REGISTRY_DATABASE_URL": url_of(REGISTRY_DATABASE),
            "REDIS_URL": conf.redis_url(),
            "REGISTRY_URL": self.registry_url,
            "REGISTRY_SECRET_KEY": SECRETS["registry"],
            "REGISTRY_SERVICE_SECRET": SECRETS["registry"],
            "LIBRARY_SERVICE_SECRET": SECRETS["library"],
            "HEARTBEAT_S": "0.5",
        }
        for name in ("ATOLL_INSTANCE", "ATOLL_LIFECYCLE_FILE"):
            self.environment.pop(name, None)

    @property
    def registry_url(self) -> str:
        return f"http://127.0.0.1:{self.registry_port}"

    def prepare(self) -> None:
        """An empty registry database with this world's credentials."""
        create_database(REGISTRY_DATABASE)
        self.manage_registry("migrate", "-v0")
        self.manage_registry("sync_credentials")

    def manage_registry(self, *arguments: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "django", *arguments],
            cwd=REPOSITORY,
            env=self.environment | {"DJANGO_SETTINGS_MODULE": "registry.settings"},
            check=True,
            capture_output=True,
        )

    def start_registry(self) -> Process:
        """Returns when it answers, so that it can also be asked to stop."""
        self.registry = self._start("registry.settings", "--port", str(self.registry_port))
        eventually(lambda: "ready: http://" in self.registry.printed(), timeout_s=60, what="a registry")
        return self.registry

    def serve(self, *arguments: str, settings: str = "testproject.settings") -> Process:
        return self._start(settings, *arguments)

    def _start(self, settings: str, *arguments: str) -> Process:
        log = self.folder / f"{len(self.processes)}.log"
        process = Process(self, settings, list(arguments), log)
        self.processes.append(process)
        return process

    def discovered(self) -> list[dict[str, Any]]:
        """What the registry says now; [] while it does not answer."""
        try:
            reply = requests.get(
                f"{self.registry_url}/discover/{SERVICE}", auth=(SERVICE, SECRETS["library"]), timeout=5
            )
        except requests.ConnectionError:
            return []
        return list(reply.json()) if reply.ok else []

    def bury(self, instance_id: str) -> None:
        """Takes out what a killed process left, instead of waiting for its lease to run out."""
        reply = requests.post(
            f"{self.registry_url}/deregister",
            json={"serviceName": SERVICE, "instanceId": instance_id},
            auth=(SERVICE, SECRETS["library"]),
            timeout=5,
        )
        assert reply.ok, reply.text

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        eventually(lambda: len(self.discovered()) == count, timeout_s=30, what=f"{count} instances")
        return self.discovered()

    def close(self) -> None:
        for process in reversed(self.processes):
            process.close()
        drop_database(REGISTRY_DATABASE)


def url_of(database: str) -> str:
    at = connection.settings_dict
    return f"postgres://{at['USER']}:{at['PASSWORD']}@{at['HOST']}:{at['PORT']}/{database}"


def create_database(name: str) -> None:
    drop_database(name)
    _on_server(f'CREATE DATABASE "{name}"')


def drop_database(name: str) -> None:
    _on_server(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _on_server(statement: str) -> None:
    at = connection.settings_dict
    server = psycopg2.connect(
        host=at["HOST"], port=at["PORT"], user=at["USER"], password=at["PASSWORD"], dbname="postgres"
    )
    server.autocommit = True
    with server.cursor() as cursor:
        cursor.execute(statement)
    server.close()
