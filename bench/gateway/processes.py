"""Servers of the benchmark as processes, each tied to a core."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.meters import cpu_of_tree

START_S = 60.0
STOP_S = 20.0
IDLE_WINDOW_S = 1.0
IDLE_SHARE = 0.03
OPEN_FILES = 20_000


@dataclass(frozen=True)
class Server:
    """A running server. ``path`` is prepended to the path of the service."""

    name: str
    port: int
    pid: int
    path: str = ""

    def cpu_s(self) -> float:
        """Processor time of all its processes."""
        return cpu_of_tree(self.pid)

    def memory_bytes(self) -> int:
        """Proportional memory (PSS) of all its processes."""
        root = psutil.Process(self.pid)
        return sum(one.memory_full_info().pss for one in [root, *root.children(recursive=True)])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(
    name: str,
    command: list[str],
    port: int,
    core: int,
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    path: str = "",
) -> Iterator[Server]:
    """The server from the moment when it listens on ``port``. Exits with its log when it does not."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=None if environment is None else dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),  # inherited by all its processes
        )
    try:
        _wait(name, process, port, log)
        server = Server(name, port, process.pid, path)
        wait_until_idle(server)
        yield server
    finally:
        _stop(process)


def _wait(name: str, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + START_S
    while True:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        if process.poll() is not None or time.monotonic() > end:
            sys.exit(f"{name} does not listen on port {port}:\n{log.read_text()[-3000:]}")
        time.sleep(0.05)


def wait_until_idle(server: Server) -> None:
    """Until its processes do nothing: neither their start nor an earlier load is a cost of a request."""
    end = time.monotonic() + START_S
    spent_s = server.cpu_s()
    while time.monotonic() < end:
        time.sleep(IDLE_WINDOW_S)
        before, spent_s = spent_s, server.cpu_s()
        if spent_s - before < IDLE_SHARE * IDLE_WINDOW_S:
            return


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
        process.kill()
        process.wait()
