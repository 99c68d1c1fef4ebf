from pathlib import Path

import pytest

from atoll.dev import command


@pytest.mark.parametrize(
    ("installed", "called"), [(["python", "python3"], "python"), (["python3"], "python3")]
)
def test_the_command_line_shown_is_one_that_works_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: list[str], called: str
):
    for name in installed:
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert command.manage("demo") == f"{called} manage.py demo"
