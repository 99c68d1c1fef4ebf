"""Refusals in a sentence, before anything is written; the clone and the home stay unchanged."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from atoll import cli, conf
from atoll.dev import place

SOMEBODY = 12345  # no account has it
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture(autouse=True)
def nothing_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(place.ROOT_ALLOWED, raising=False)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    (tmp_path / "clone").mkdir()
    return tmp_path / "clone"


@pytest.fixture
def as_somebody(tmp_path: Path) -> Iterator[None]:
    """Root's tests under an account that owns nothing; an ordinary user's as they are."""
    if os.geteuid() != 0:
        yield
        return
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    os.setresuid(SOMEBODY, SOMEBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


@as_root
def test_root_is_refused_in_somebody_else_s_clone_and_leaves_nothing_there(clone: Path):
    os.chown(clone, SOMEBODY, SOMEBODY)

    with pytest.raises(place.Unusable) as refusal:
        place.check_start(clone, clone / ".atoll", "make up")

    assert str(refusal.value).startswith(
        f"{clone} belongs to user {SOMEBODY}, who could not change what root leaves in it. "
        f"Run `make up` as user {SOMEBODY}, without sudo. Nothing was changed."
    )
    assert list(clone.iterdir()) == []


@as_root
def test_root_may_when_it_says_so_and_in_its_own_clone(clone: Path, monkeypatch: pytest.MonkeyPatch):
    place.check_account(clone, "make up")
    os.chown(clone, SOMEBODY, SOMEBODY)
    monkeypatch.setenv(place.ROOT_ALLOWED, "1")
    place.check_account(clone, "make up")


@as_root
@pytest.mark.parametrize("goal", ["up", "install", "test", "check", "demo", "new-service"])
def test_make_refuses_root_before_it_makes_a_virtual_environment(clone: Path, goal: str):
    for name in ("Makefile", "manage.py", "projects.toml"):
        shutil.copy(conf.root() / name, clone / name)
    shutil.copytree(conf.root() / "platform" / "atoll" / "dev", clone / "platform" / "atoll" / "dev")
    shutil.copytree(conf.root() / "requirements", clone / "requirements")
    shutil.copy(conf.root() / "platform" / "pyproject.toml", clone / "platform")
    for path in (clone, *clone.rglob("*")):
        os.chown(path, SOMEBODY, SOMEBODY)

    done = subprocess.run(["make", goal, "name=reviews"], cwd=clone, capture_output=True, text=True)

    assert done.returncode != 0
    assert f"belongs to user {SOMEBODY}" in done.stderr
    assert f"Run `make {goal}` as user {SOMEBODY}" in done.stderr
    assert not (clone / ".venv").exists()
    assert [str(path) for path in clone.rglob("*") if path.stat().st_uid == 0] == []


@pytest.mark.usefixtures("as_somebody")
def test_a_folder_of_another_account_is_named_with_its_owner():
    with pytest.raises(
        place.Unusable, match=r"may not write to /, which belongs to root\. Clone to a folder"
    ):
        place.check_writable(Path("/atoll-of-mine/.atoll"))
    assert not Path("/atoll-of-mine").exists()


@as_root
def test_what_root_left_in_a_home_is_named_to_its_next_user(clone: Path):
    home = clone / ".atoll"
    (home / "logs").mkdir(parents=True)
    (home / "logs" / "postgres.log").touch()
    for path in (clone, home, home / "logs"):
        os.chown(path, SOMEBODY, SOMEBODY)
        path.chmod(0o755)
    for folder in clone.parents[:3]:
        folder.chmod(0o755)
    os.setresuid(SOMEBODY, SOMEBODY, 0)
    try:
        with pytest.raises(place.Unusable) as refusal:
            place.check_start(clone, home, "make up")
    finally:
        os.setresuid(0, 0, 0)

    assert str(refusal.value).startswith(f"{home}/logs/postgres.log belongs to root, who ran Atoll here")


@pytest.mark.parametrize(
    ("begun", "needed"), [(False, "a first start needs 300 MB"), (True, "a start needs 100 MB")]
)
def test_a_disk_that_is_nearly_full_is_told_with_what_is_needed(
    clone: Path, monkeypatch: pytest.MonkeyPatch, begun: bool, needed: str
):
    if begun:
        (clone / "engines.json").touch()
    usage = shutil._ntuple_diskusage(10**12, 10**12 - 99_000_000, 99_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)

    with pytest.raises(place.Unusable) as refusal:
        place.check_start(clone, clone, "make up")

    assert str(refusal.value).startswith(f"The disk of {clone} has 99 MB free; {needed}.")


@pytest.mark.parametrize(
    ("machine", "libc", "known"),
    [
        (("Linux", "x86_64"), "glibc", True),
        (("Linux", "aarch64"), "glibc", True),
        (("Darwin", "arm64"), "", True),
        (("Linux", "x86_64"), "", False),
        (("Linux", "riscv64"), "glibc", False),
        (("FreeBSD", "amd64"), "", False),
    ],
)
def test_a_machine_for_which_there_are_no_engines_is_told_so(
    monkeypatch: pytest.MonkeyPatch, machine: tuple[str, str], libc: str, known: bool
):
    monkeypatch.setattr(place.platform, "system", lambda: machine[0])
    monkeypatch.setattr(place.platform, "machine", lambda: machine[1])
    monkeypatch.setattr(place.platform, "libc_ver", lambda: (libc, ""))
    if known:
        place.check_machine()
        return
    with pytest.raises(place.Unusable, match=f"This is {machine[0]}/{machine[1]}"):
        place.check_machine()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            OSError(errno.ENOSPC, "", "/x/up.json"),
            "The disk is full (writing /x/up.json). Make room and try again.",
        ),
        (OSError(errno.EROFS, "", "/x/up.json"), "/x/up.json is on a file system that is read-only."),
        (
            PermissionError(errno.EACCES, "", "/"),
            f"{place.name_of(os.geteuid())} may not use /, which belongs to root.",
        ),
        (
            OSError(errno.EADDRNOTAVAIL, ""),
            "No port of 127.0.0.1 is to be had: is the loopback interface up?",
        ),
    ],
)
def test_what_the_system_refuses_is_told_in_a_sentence(
    error: OSError, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def refused(argv: list[str]) -> int:
        raise error

    monkeypatch.setattr("atoll.cli.down.main", refused)

    assert cli.run(["down"]) == 1
    assert capsys.readouterr().err == f"{told}\n"
    with pytest.raises(OSError):
        cli.run(["down", "--traceback"])


def test_what_is_no_refusal_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch):
    def broken(argv: list[str]) -> int:
        raise FileNotFoundError(errno.ENOENT, "", "of ours")

    monkeypatch.setattr("atoll.cli.down.main", broken)
    with pytest.raises(FileNotFoundError):
        cli.run(["down"])


@pytest.mark.parametrize("offset", ["abc", "-1", "70000", "1.5", "57531"])
def test_an_impossible_port_offset_is_told_in_one_line(offset: str):
    done = subprocess.run(
        [sys.executable, str(conf.root() / "manage.py"), "down"],
        env=os.environ | {"ATOLL_PORT_OFFSET": offset},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    [said] = done.stderr.splitlines()
    assert said.startswith((f"ATOLL_PORT_OFFSET={offset}", f"ATOLL_PORT_OFFSET='{offset}'"))


@pytest.mark.parametrize("text", ["", "{", "[1"])
def test_a_damaged_file_of_secrets_is_told_in_one_line(tmp_path: Path, text: str):
    (tmp_path / "secrets.json").write_text(text)
    done = subprocess.run(
        [sys.executable, str(conf.root() / "manage.py"), "users", "check"],
        env=os.environ | {"ATOLL_HOME": str(tmp_path), "USERS_SECRET_KEY": "", "SECRET_KEY": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    [said] = done.stderr.splitlines()
    assert f"{tmp_path}/secrets.json is damaged." in said
    assert (tmp_path / "secrets.json").read_text() == text
