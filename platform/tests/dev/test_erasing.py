"""``reset`` deletes all of a home or nothing of it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from atoll import conf, privatefile
from atoll.cli import reset
from atoll.dev import erasing

SOMEBODY = 12345
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    for folder in ("postgres/base", "logs", "run"):
        (home / folder).mkdir(parents=True)
    for name in ("secrets.json", "engines.json", "postgres/base/1", "logs/users.log", "up.lock"):
        (home / name).write_text("{}")
    monkeypatch.setenv("ATOLL_HOME", str(home))
    return home


def everything(home: Path) -> list[str]:
    return sorted(str(path.relative_to(home)) for path in home.rglob("*"))


@pytest.fixture
def given_away(home: Path) -> Iterator[Path]:
    """All of it is somebody's, and they ask for the reset; a folder within is root's again."""
    for path in (home, *home.rglob("*")):
        os.chown(path, SOMEBODY, SOMEBODY)
    for folder in home.parents[:3]:
        folder.chmod(0o755)
    os.chown(home / "postgres" / "base", 0, 0)
    os.setresuid(SOMEBODY, SOMEBODY, 0)
    yield home
    os.setresuid(0, 0, 0)


@as_root
def test_where_one_folder_cannot_be_emptied_everything_stays(given_away: Path):
    before = everything(given_away)

    with pytest.raises(erasing.NotErased) as refusal:
        erasing.erase(given_away, {"up.lock"})

    assert str(refusal.value) == f"user {SOMEBODY} may not delete {given_away}/postgres/base (root's)."
    assert everything(given_away) == before


@as_root
def test_a_reset_of_what_root_has_a_part_in_deletes_nothing_and_says_whose_it_is(
    given_away: Path, capsys: pytest.CaptureFixture[str]
):
    os.setresuid(0, 0, 0)
    os.chown(given_away / "engines.json", 0, 0)
    os.setresuid(SOMEBODY, SOMEBODY, 0)
    before = everything(given_away)

    assert reset.main(["--yes"]) == 1

    told = capsys.readouterr().err
    assert f"{given_away}/engines.json belongs to root" in told
    assert told.endswith("Nothing was deleted.\n")
    assert everything(given_away) == before


def test_where_a_part_cannot_be_put_aside_all_is_put_back(home: Path, monkeypatch: pytest.MonkeyPatch):
    before = everything(home)
    rename = Path.rename

    def fails_at_the_secrets(self: Path, target: Path) -> Path:
        if self.name == "secrets.json":
            raise PermissionError(1, "Operation not permitted", str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails_at_the_secrets)

    with pytest.raises(erasing.NotErased):
        erasing.erase(home, {"up.lock"})

    assert everything(home) == before


def test_data_that_a_link_leads_to_goes_too_and_what_it_stands_beside_stays(home: Path, tmp_path: Path):
    (tmp_path / "big-disk" / "postgres").mkdir(parents=True)
    (tmp_path / "big-disk" / "mine").touch()
    shutil.rmtree(home / "postgres")
    (home / "postgres").symlink_to(tmp_path / "big-disk" / "postgres")

    erasing.erase(home, {"up.lock"})

    assert everything(home) == ["up.lock"]
    assert everything(tmp_path / "big-disk") == ["mine"]


def test_a_reset_where_nothing_was_ever_started_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("ATOLL_HOME", str(tmp_path / "none"))

    assert reset.main(["--yes"]) == 0

    assert "nothing to delete" in capsys.readouterr().out
    assert not (tmp_path / "none").exists()


def test_on_a_full_disk_a_file_with_secrets_stays_as_it_was(home: Path, monkeypatch: pytest.MonkeyPatch):
    def full(source: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device", str(source))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        conf.ensure_local_secrets()

    assert (home / "secrets.json").read_text() == "{}"
    assert not (home / "secrets.json.new").exists()


def test_a_private_file_is_its_owner_s_alone(tmp_path: Path):
    (tmp_path / "password").write_text("old")
    privatefile.write(tmp_path / "password", "new")

    assert (tmp_path / "password").read_text() == "new"
    assert (tmp_path / "password").stat().st_mode & 0o777 == 0o600
