import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from atoll.dev import command

PYTHON_3 = f'#!/bin/sh\nexec {sys.executable} "$@"\n'
PYTHON_2 = "#!/bin/sh\nexit 1\n"


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    command._is_python_3.cache_clear()
    yield
    command._is_python_3.cache_clear()


@pytest.mark.parametrize(
    ("installed", "called"),
    [
        ({"python": PYTHON_3, "python3": PYTHON_3}, "python"),
        ({"python3": PYTHON_3}, "python3"),
        ({"python": PYTHON_2, "python3": PYTHON_3}, "python3"),
        ({}, sys.executable),
    ],
)
def test_the_command_line_shown_is_one_that_works_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: dict[str, str], called: str
):
    for name, script in installed.items():
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    assert command.manage("demo") == f"{called} manage.py demo"


def test_an_interpreter_within_the_folder_is_called_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv" / "bin" / "python"))

    assert command.manage("up") == ".venv/bin/python manage.py up"
