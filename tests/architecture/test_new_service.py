"""A service from ``new-service`` stands by itself: checked and tested without touching a file."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = shutil.ignore_patterns(
    ".venv", ".atoll", ".git", "__pycache__", ".*_cache", "node_modules", "*.egg-info"
)


def run(copy: Path, *command: str) -> subprocess.CompletedProcess[str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("ATOLL_", "DJANGO_"))
    }
    inherited = {name: value for name, value in inherited.items() if not name.endswith("_URL")}
    return subprocess.run(
        command,
        cwd=copy,
        env=inherited | {"PYTHONPATH": f"{copy / 'platform'}:{copy}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as a fresh clone would be, with a new service in it."""
    place = tmp_path_factory.mktemp("clone") / "atoll"
    shutil.copytree(ROOT, place, ignore=LEFT_OUT)
    made = run(place, sys.executable, "manage.py", "new-service", "reviews")
    assert made.returncode == 0, made.stderr
    return place


def tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


@pytest.mark.parametrize(
    "command",
    [
        (tool("ruff"), "format", "--check", "services/reviews"),
        (tool("ruff"), "check", "services/reviews"),
        (tool("lint-imports"),),
        (sys.executable, "manage.py", "check-all", "reviews"),
        (sys.executable, "manage.py", "asyncapi", "--check"),
        (sys.executable, "-m", "pytest", "-q", "-c", "tests/pyproject.toml", "tests/architecture",
         f"--ignore={Path('tests/architecture') / Path(__file__).name}"),
        (sys.executable, "manage.py", "test", "reviews", "contracts"),
    ],
    ids=["format", "lint", "walls", "checks", "messages", "architecture", "suites"],
)  # fmt: skip
def test_a_new_service_passes_as_it_is(copy: Path, command: tuple[str, ...]):
    done = run(copy, *command)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_a_name_that_does_not_fit_is_refused_and_nothing_is_written(copy: Path):
    before = (copy / "projects.toml").read_text()
    for name in ("Reviews", "review", "orders", "re-views", "tests", "x"):
        refused = run(copy, sys.executable, "manage.py", "new-service", name)
        assert refused.returncode == 2, refused.stdout
    assert (copy / "projects.toml").read_text() == before
