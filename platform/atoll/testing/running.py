"""Runs a whole platform beside anything else on this machine.

For tests and measurements with real processes. The platform has its own home, ports and
databases, apart from those of a developer's ``make up``. Needs ``requirements/dev.txt``.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeVar

import psutil

from atoll import conf
from atoll.dev import ending
from atoll.dev.servers import PREFIX, create_databases, real_servers

PORT_OFFSET = 1000
START_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 10.0
POLL_S = 0.05

Answer = TypeVar("Answer")


def eventually(check: Callable[[], Answer], *, timeout_s: float = 45.0, what: str = "") -> Answer:
    """Repeat ``check`` until its value is true, and return it. Raises AssertionError after ``timeout_s``."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = check()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what or check}; last answer: {answer!r}")
        time.sleep(POLL_S)


class Platform:
    """One running ``up``: ``start()``, use it over HTTP, ``stop()``.

    ``variables`` are added to its environment; without any it runs on embedded engines. ``root`` is the
    folder of its code; without it, of this code.
    """

    def __init__(
        self, name: str, variables: dict[str, str] | None = None, *, root: Path | None = None
    ) -> None:
        self.name = name
        self.root = root or conf.root()
        self.home = self.root / ".atoll" / f"platform-{name}"
        self.variables = variables or {}
        self.process: subprocess.Popen[str] | None = None
        self._output: IO[str] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its processes: that of this process without settings of another platform."""
        inherited = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("ATOLL_", "DJANGO_"))
            and not key.endswith(("_URL", "_SECRET", "SECRET_KEY"))
        }
        return inherited | {
            "ATOLL_ROOT": str(self.root),
            "ATOLL_HOME": str(self.home),
            "ATOLL_PORT_OFFSET": str(PORT_OFFSET),
            # Many shoppers sign up from one address here. The limits have tests of their own.
            "USERS_RATELIMIT_ENABLE": "false",
            "GATEWAY_RATE_LIMITS": "false",
            **self.variables,
        }

    @property
    def gateway_url(self) -> str:
        return self.url("gateway")

    def url(self, project: str) -> str:
        # ATOLL_PORT_OFFSET of this process belongs to another platform.
        own_offset = int(os.environ.get("ATOLL_PORT_OFFSET") or 0)
        offset = int(self.environment["ATOLL_PORT_OFFSET"])
        return f"http://127.0.0.1:{conf.project(project).port - own_offset + offset}"

    def state(self) -> dict[str, Any]:
        """The record of ``up``: pid, ready_at, processes [{name, pid, port}]; {} before it is written."""
        try:
            return dict(json.loads((self.home / "up.json").read_text()))
        except (FileNotFoundError, json.JSONDecodeError):
            return {}

    def pid(self, name: str) -> int:
        return next(int(row["pid"]) for row in self.state()["processes"] if row["name"] == name)

    def manage(self, *arguments: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run ``manage.py`` as a person beside this platform would."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def start(self) -> None:
        """Start from empty data and wait until ready. Raises AssertionError with the output of ``up``."""
        if self.home.exists():
            shutil.rmtree(self.home)
        self.home.mkdir(parents=True)
        self._output = (self.home / "up.out").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up"],
            cwd=self.root,
            env=self.environment,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        eventually(self._ready, timeout_s=START_TIMEOUT_S, what="the platform is ready")

    def _ready(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            raise AssertionError(f"`up` ended:\n{self.printed()}")
        return bool(self.state().get("ready_at"))

    def printed(self) -> str:
        return (self.home / "up.out").read_text()

    def family(self) -> list[psutil.Process]:
        """Every process of the platform: the supervisor, its descendants and the engines."""
        if self.process is None:
            return []
        roots = [self.process.pid, *(int(row["pid"]) for row in self.state().get("processes", []))]
        found: dict[int, psutil.Process] = {}
        for pid in roots:
            try:
                root = psutil.Process(pid)
                found.update({process.pid: process for process in [root, *root.children(recursive=True)]})
            except psutil.NoSuchProcess:
                continue
        return list(found.values())

    def stop(self) -> float:
        """Stop with SIGINT. Returns the seconds; raises AssertionError when a process is left behind."""
        if self.process is None:
            return 0.0
        family = self.family()
        begun = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=STOP_TIMEOUT_S + 20)
        finally:
            took = time.monotonic() - begun
            if self._output is not None:
                self._output.close()
            left = ending.still_running(family, within_s=1)
            for process in left:
                process.kill()
        if left:
            raise AssertionError(f"left behind after {took:.1f} s: {left}")
        return took


def platforms() -> dict[str, Callable[[], Platform]]:
    """The platforms that can run on this machine, by their engines.

    ``embedded`` always; ``rabbitmq`` (with real PostgreSQL and Redis where they answer)
    when RabbitMQ does.
    """
    made: dict[str, Callable[[], Platform]] = {"embedded": lambda: Platform("embedded")}
    servers = real_servers()
    if "RABBITMQ_URL" in servers:

        def on_servers() -> Platform:
            if "DATABASE_URL" in servers:
                create_databases(servers["DATABASE_URL"])
            separate = {"ATOLL_DATABASE_PREFIX": PREFIX, "BUS_PREFIX": PREFIX}
            return Platform("rabbitmq", servers | separate)

        made["rabbitmq"] = on_servers
    return made


def memory(processes: list[psutil.Process]) -> dict[str, float]:
    """Memory of the processes together: ``pss_mb`` (a shared page counts once), ``rss_mb``, ``processes``."""
    pss = rss = counted = 0
    for process in processes:
        try:
            info = process.memory_full_info()
        except psutil.NoSuchProcess:
            continue
        pss += getattr(info, "pss", info.uss)
        rss += info.rss
        counted += 1
    return {"pss_mb": round(pss / 1e6, 1), "rss_mb": round(rss / 1e6, 1), "processes": counted}
