"""``ps`` and ``py-spy`` tell a worker and its children apart, whichever command started it."""

from pathlib import Path

import pytest

from .conftest import Until
from .worker import CELERY, WORKER, running

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]
PREFORK = {"WORKER_POOL": "prefork", "WORKER_CONCURRENCY": "2"}


def title(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode()


@pytest.mark.parametrize("command", [WORKER, CELERY], ids=["worker", "celery"])
def test_a_worker_and_its_children_have_titles(
    rabbitmq: str, tmp_path: Path, until: Until, command: tuple[str, ...]
) -> None:
    expected = ["atoll library worker child 1", "atoll library worker child 2"]
    with running(tmp_path / "worker", command, **PREFORK) as worker:
        until(lambda: sorted(title(pid) for pid in worker.children()) == expected)
        assert title(worker.pid) == "atoll library worker"
