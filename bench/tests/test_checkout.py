import subprocess
from pathlib import Path

import pytest

from atoll import conf
from bench.checkout import UnknownRevision, checked_out, missing


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with two commits of the file ``text``: "old", then "new"."""
    monkeypatch.setattr(conf, "root", lambda: tmp_path)
    git(tmp_path, "init", "-q")
    for text in ("old", "new"):
        (tmp_path / "text").write_text(text)
        git(tmp_path, "add", "text")
        git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@atoll.example", "commit", "-qm", text)
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def test_the_revision_stands_beside_and_is_removed_at_the_end(repository):
    with checked_out("HEAD~1") as folder:
        assert (folder / "text").read_text() == "old"
        assert (repository / "text").read_text() == "new"
    assert not folder.exists()
    assert len(git(repository, "worktree", "list").splitlines()) == 1


def test_it_is_removed_after_a_failure_and_with_files_of_its_own(repository):
    with pytest.raises(ZeroDivisionError), checked_out("HEAD") as folder:
        (folder / "left over").touch()
        raise ZeroDivisionError
    assert not folder.exists()
    assert len(git(repository, "worktree", "list").splitlines()) == 1


@pytest.mark.parametrize("name", ["nothing", "--help", "HEAD~9", ""])
def test_an_unknown_revision_is_named(repository, name):
    with pytest.raises(UnknownRevision, match="git knows no commit"), checked_out(name):
        pass
    assert len(git(repository, "worktree", "list").splitlines()) == 1


def test_packages_that_only_the_revision_needs_are_found(tmp_path):
    requirements = tmp_path / "requirements"
    requirements.mkdir()
    (requirements / "base.txt").write_text("Django==5.2.19  # here\nno-such-package-of-ours==1.2\n# a==1\n")
    assert missing(requirements) == ["no-such-package-of-ours==1.2"]
    (requirements / "local.txt").write_text("pytest==1.0  # here in another version\nnor-this==3\n")
    assert missing(requirements) == ["no-such-package-of-ours==1.2", "nor-this==3"]
