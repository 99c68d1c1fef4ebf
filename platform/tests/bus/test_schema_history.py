"""The document in git's history, which `manage.py asyncapi` compares with."""

import shutil
import subprocess
from pathlib import Path

import pytest

from atoll.cli.asyncapi import earlier

AUTHOR = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.com"]


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_a_hook_of_git_finds_the_same_document_as_a_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = tmp_path / "docs" / "asyncapi.json"
    document.parent.mkdir()
    document.write_text("{}")
    for command in (["init", "-q"], ["add", "-A"], [*AUTHOR, "commit", "-qm", "A change."]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    assert list(earlier.documents(document).values()) == ["{}"]

    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))

    assert list(earlier.documents(document).values()) == ["{}"]
