"""Real worker processes on the test's database and broker."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from django.db import connection, transaction

from atoll.bus.models import Delivery
from atoll.testing import pace

START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 8.0  # on an idle machine
PROJECTS = """
[library]
package = "testproject"
service = "library-service"
port = 9120
database = "unused"
server = "wsgi"
worker = true

[registry]
package = "registry"
service = "registry"
port = 9121
database = "unused"
server = "asgi"
worker = false
"""

WORKER = (sys.executable, "-m", "django", "worker")
BUS = (sys.executable, "-m", "django", "bus")
CELERY = (sys.executable, "-m", "celery", "-A", "testproject", "worker")


class Process:
    """One process of the library's own service."""

    def __init__(self, folder: Path, command: Sequence[str], **variables: str) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "projects.toml").write_text(PROJECTS)
        self.lifecycle = folder / "lifecycle"
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                env=os.environ | environment(folder, self.lifecycle) | variables,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_DEADLINE_S
        while not self.lifecycle.exists() or self.lifecycle.read_text() != "ready":
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    @property
    def pid(self) -> int:
        return self._process.pid

    def children(self) -> set[int]:
        """The process ids of a prefork pool."""
        folder = Path(f"/proc/{self.pid}/task")
        return {int(pid) for task in folder.iterdir() for pid in (task / "children").read_text().split()}

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def ended(self) -> int:
        """Wait for the process's end. Returns its exit code."""
        return self._process.wait(START_DEADLINE_S)

    def terminate(self, *numbers: signal.Signals) -> tuple[int, float]:
        """Send SIGTERM, or the given signals in turn. Returns the exit code and the duration in seconds.

        On a busy machine the duration is scaled to that of an idle machine.
        """
        started = time.monotonic()
        for number in numbers or (signal.SIGTERM,):
            self._process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(0.3 if numbers else 0)
        code = self._process.wait(STOP_DEADLINE_S * pace.AT_MOST)
        return code, pace.idle_seconds(time.monotonic() - started, STOP_DEADLINE_S)

    def end(self) -> None:
        if self._process.poll() is None:
            self.kill()


@contextmanager
def running(folder: Path, command: Sequence[str] = WORKER, **variables: str) -> Iterator[Process]:
    """Start a process, wait until it is ready, and end it afterwards."""
    process = Process(folder, command, **variables)
    try:
        process.wait_until_ready()
        yield process
    finally:
        process.end()


def is_in_handler() -> bool:
    """Whether a handler has begun whose transaction still runs.

    Such a transaction holds the lock of its delivery's row. The status alone says less: a delivery is
    running from its claim on, and a worker that leaves gives back a claim that no thread has begun.
    """
    claims = Delivery.objects.filter(status="running")
    with transaction.atomic():
        claimed = set(claims.values_list("pk", flat=True))
        return claimed > set(claims.select_for_update(skip_locked=True).values_list("pk", flat=True))


def environment(folder: Path, lifecycle: Path) -> dict[str, str]:
    database = connection.settings_dict
    address = f"{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}"
    return {
        "ATOLL_ROOT": str(folder),
        "ATOLL_TEST_DATABASE_URL": f"postgres://{address}/{database['NAME']}",
        "ATOLL_LIFECYCLE_FILE": str(lifecycle),
        "DJANGO_SETTINGS_MODULE": "testproject.settings",
        "LIBRARY_SERVICE_SECRET": "unused",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
