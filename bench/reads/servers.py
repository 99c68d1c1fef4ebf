"""The servers of the benchmark, each on an empty database of its own."""

import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psutil
from psycopg2 import sql

from atoll import conf
from atoll.dev.servers import real_servers
from atoll.testing.running import eventually
from bench.reads import addresses

PREFIX = "bench_reads_"
SECRETS = {name: f"bench-secret-of-{name}-that-is-long-enough" for name in conf.projects()}
THREADS = "4"


class Server:
    """A web server in its own processes, from `start` to `stop`."""

    def __init__(self, name: str, database: str, home: Path) -> None:
        self.name = name
        self.servers = real_servers()
        self.database = PREFIX + database
        self.url = f"{self.servers['DATABASE_URL'].rstrip('/')}/{self.database}"
        self.port = free_port()
        self.home = home
        self._process: subprocess.Popen[bytes] | None = None

    def create_database(self) -> None:
        with closing(addresses.connect(self.servers["DATABASE_URL"])) as server:
            name = sql.Identifier(self.database)
            for statement in ("DROP DATABASE IF EXISTS {} WITH (FORCE)", "CREATE DATABASE {}"):
                server.cursor().execute(sql.SQL(statement).format(name))

    def start(self, command: list[str], environment: dict[str, str]) -> None:
        with (self.home / f"{self.name}.log").open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=conf.root(), env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        eventually(self._listens, timeout_s=60, what=f"{self.name} listens")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
        with closing(addresses.connect(self.servers["DATABASE_URL"])) as server:
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self.database))
            server.cursor().execute(drop)

    def web_s(self) -> float:
        """Processor time of the web server, in seconds."""
        assert self._process is not None
        root = psutil.Process(self._process.pid)
        return sum(sum(process.cpu_times()[:2]) for process in [root, *root.children(recursive=True)])

    def database_s(self) -> float:
        """Processor time of its open database sessions; 0 where PostgreSQL is on another machine."""
        with closing(addresses.connect(self.servers["DATABASE_URL"])) as server:
            cursor = server.cursor()
            cursor.execute("SELECT pid FROM pg_stat_activity WHERE datname = %s", [self.database])
            pids = [pid for (pid,) in cursor.fetchall() if psutil.pid_exists(pid)]
        return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Service(Server):
    """One project, served as `make up` serves it."""

    def __init__(self, project: str, home: Path) -> None:
        super().__init__(project, project, home)
        self.project = project

    def environment(self, services: "list[Service]") -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("ATOLL_", "DJANGO_"))}
        ours = {
            "ATOLL_HOME": str(self.home),
            "DJANGO_SETTINGS_MODULE": f"services.{self.project}.settings",
            "PYTHONPATH": f"{conf.root()}:{conf.root() / 'platform'}",
            "DATABASE_URL": self.url,
            "REDIS_URL": self.servers["REDIS_URL"],
            "RABBITMQ_URL": self.servers.get("RABBITMQ_URL", self.servers["REDIS_URL"]),
            "BUS_PREFIX": PREFIX,
            "USERS_RATELIMIT_ENABLE": "false",
            "REGISTRY_URL": "http://127.0.0.1:9",
            f"{self.project.upper()}_SECRET_KEY": "bench-secret-key-that-is-long-enough-for-everything",
        }
        ours |= {f"{name.upper()}_SERVICE_SECRET": secret for name, secret in SECRETS.items()}
        fixed = {
            f"{conf.project(other.project).service.upper().replace('-', '_')}_URL": f"http://127.0.0.1:{other.port}"
            for other in services
        }
        return kept | ours | fixed

    def set_up(self, services: "list[Service]", *commands: str) -> None:
        self.create_database()
        for command in ("migrate", *commands):
            subprocess.run(
                [sys.executable, "-m", "django", command, "-v0"],
                cwd=conf.root(), env=self.environment(services), check=True, stdout=subprocess.DEVNULL,
            )  # fmt: skip
        command_line = [sys.executable, "-m", "django", "serve", "--port", str(self.port)]
        self.start([*command_line, "--threads", THREADS], self.environment(services))


class Plain(Server):
    """`bench.reads.plain` on the server that the services have."""

    def __init__(self, home: Path) -> None:
        super().__init__("plain", "plain", home)

    def set_up(self) -> None:
        self.create_database()
        with closing(addresses.connect(self.url)) as database:
            database.cursor().execute("CREATE TABLE page (address text PRIMARY KEY, body bytea NOT NULL)")
        granian = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1"]
        granian += ["--port", str(self.port), "--blocking-threads", THREADS, "--no-ws", "--http", "1"]
        environment = os.environ | {
            "BENCH_PLAIN_URL": self.url,
            "PYTHONPATH": f"{conf.root()}:{conf.root() / 'platform'}",
        }
        self.start([*granian, "--log-level", "error", "bench.reads.plain:application"], environment)

    def store(self, address: str, body: bytes) -> None:
        with closing(addresses.connect(self.url)) as database:
            database.cursor().execute(
                "INSERT INTO page VALUES (%s, %s) ON CONFLICT (address) DO UPDATE SET body = excluded.body",
                [address, body],
            )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
