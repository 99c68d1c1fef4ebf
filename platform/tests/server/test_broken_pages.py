"""A server whose pages cannot be imported does not start."""

from pathlib import Path

import pytest

from server.running import World

# Else pytest-django makes no database where these tests run by themselves.
pytestmark = pytest.mark.django_db(transaction=True)


def test_a_syntax_error_in_the_pages_ends_the_start_and_is_in_the_log(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_pages.py").write_text("def broken(:\n")
    (tmp_path / "broken_settings.py").write_text(
        'from testproject.settings import *\nROOT_URLCONF = "broken_pages"\n'
    )
    monkeypatch.setitem(world.environment, "PYTHONPATH", f"{world.environment['PYTHONPATH']}:{tmp_path}")

    server = world.serve("--port", "0", settings="broken_settings")

    assert server.popen.wait(60) == 1
    assert "broken_pages.py" in server.printed()
    assert "SyntaxError: invalid syntax" in server.printed()
    assert world.discovered() == []
