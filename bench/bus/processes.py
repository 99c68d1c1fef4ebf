"""Processes of the service under load, and waiting for conditions."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import psutil

from atoll import conf

POLL_S = 0.05
STOP_TIMEOUT_S = 30.0
QUOTED_CHARACTERS = 4000


def until(condition: Callable[[], object], *, timeout_s: float) -> None:
    """Wait until ``condition`` is true. Raises RuntimeError after ``timeout_s``."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {timeout_s:g} s")
        time.sleep(POLL_S)


class Process:
    """``python ARGUMENTS`` as a context manager, with its output in ``log``. SIGTERM ends it."""

    def __init__(self, log: Path, arguments: Sequence[str], variables: Mapping[str, str]) -> None:
        self._log = log
        self._lifecycle = log.with_suffix(".lifecycle")
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=conf.root() if "ATOLL_ROOT" not in variables else None,
                env=os.environ | variables | {"ATOLL_LIFECYCLE_FILE": str(self._lifecycle)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_until_ready(self) -> None:
        """Raises RuntimeError with the end of the log when the process ends first."""
        until(lambda: self._is_ready() or self._process.poll() is not None, timeout_s=60)
        if self._process.poll() is not None:
            raise RuntimeError(f"ended before it was ready:\n{self._log.read_text()[-QUOTED_CHARACTERS:]}")

    def _is_ready(self) -> bool:
        return self._lifecycle.exists() and self._lifecycle.read_text() == "ready"

    def go(self) -> None:
        """Send SIGUSR1, for which `bench.bus.relaying` waits."""
        self._process.send_signal(signal.SIGUSR1)

    def cpu_s(self) -> float:
        """Return the process's CPU time so far, over all its threads."""
        times = psutil.Process(self._process.pid).cpu_times()
        return times.user + times.system

    def __enter__(self) -> "Process":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(STOP_TIMEOUT_S)
        self._lifecycle.unlink(missing_ok=True)
        if error is not None:
            print(self._log.read_text()[-QUOTED_CHARACTERS:], file=sys.stderr)
