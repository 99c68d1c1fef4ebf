"""Checks whether Atoll can run in this clone, on this machine, under this account. Gives the reason.

The Makefile runs this file by itself before it installs anything
(``python3 -I platform/atoll/dev/place.py GOAL ...``), so it imports only the standard library.
"""

from __future__ import annotations

import errno
import os
import platform
import pwd
import shutil
import sys
from pathlib import Path

ROOT_ALLOWED = "ATOLL_ALLOW_ROOT"
INSTALLING_NEEDS_BYTES = 700_000_000
FIRST_START_NEEDS_BYTES = 300_000_000
START_NEEDS_BYTES = 100_000_000
# The engines have wheels for these machines.
SYSTEMS = {("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "x86_64"), ("Darwin", "arm64")}
# Verbs that create no file.
HARMLESS = {
    "completion", "doctor", "down", "help", "logs", "open", "reset", "restart", "status", "test-fresh",
}  # fmt: skip


class Unusable(Exception):
    """Atoll cannot run here. The message gives reason and remedy."""


def check_machine() -> None:
    """Raises Unusable where the packages of the engines cannot be installed."""
    system, machine = platform.system(), platform.machine()
    libc = platform.libc_ver()[0]
    if (system, machine) in SYSTEMS and (system != "Linux" or libc == "glibc"):
        return
    known = " and ".join("/".join(pair) for pair in sorted(SYSTEMS))
    no_glibc = " without glibc (Alpine's musl?)" if system == "Linux" and not libc else ""
    name = f"{system}/{machine}{no_glibc}"
    raise Unusable(
        f"This is {name}. The embedded engines come as packages for {known}, Linux with glibc. "
        "Use such a machine (Debian, Ubuntu, Fedora, ...), or docker-compose.yml."
    )


def check_account(folder: Path, verb: str) -> None:
    """Raises Unusable when root would leave files here that the owner of ``folder`` cannot change."""
    owner = folder.stat().st_uid
    if os.geteuid() != 0 or owner == 0 or os.environ.get(ROOT_ALLOWED):
        return
    raise Unusable(
        f"{folder} belongs to {name_of(owner)}, who could not change what root leaves in it. "
        f"Run `{verb}` as {name_of(owner)}, without sudo. Nothing was changed. "
        f"(Where it must be root, as in a container, set {ROOT_ALLOWED}=1.)"
    )


def check_writable(folder: Path) -> None:
    """Raises Unusable when this account cannot make files in ``folder``, or cannot make ``folder``."""
    place = _existing(folder)
    if os.access(place, os.W_OK | os.X_OK):
        return
    if os.statvfs(place).f_flag & os.ST_RDONLY:
        raise Unusable(
            f"{place} is on a file system that is read-only. Clone to another place, or keep only the "
            "data elsewhere: ATOLL_HOME=/a/folder make up"
        )
    raise Unusable(
        f"{name_of(os.geteuid())} may not write to {place}, which belongs to {name_of(place.stat().st_uid)}. "
        "Clone to a folder of your own, or give it back as root: "
        f"chown -R {name_of(os.geteuid())} {place}"
    )


def check_belongings(folder: Path) -> None:
    """Raises Unusable when ``folder`` holds files of another account, such as root by sudo."""
    me = os.geteuid()
    if me == 0 or not folder.is_dir():
        return
    try:
        inside = [folder, *folder.iterdir()]
        inside += [path for room in ("logs", "run", "setup") for path in (folder / room).glob("*")]
    except PermissionError:
        inside = [folder]
    for path in inside:
        owner = path.lstat().st_uid
        if owner != me and path.name not in _OF_OTHERS:
            raise Unusable(
                f"{path} belongs to {name_of(owner)}, who ran Atoll here before {name_of(me)}. "
                f"Delete that data as root (rm -r {folder}), or use a clone of your own."
            )


_OF_OTHERS = {"fresh"}  # the bare systems of `make test-fresh` belong to root


def check_space(folder: Path, bytes_needed: int, what_for: str) -> None:
    """Raises Unusable when the disk of ``folder`` has less than ``bytes_needed`` free."""
    place = _existing(folder)
    free = shutil.disk_usage(place).free
    if free < bytes_needed:
        raise Unusable(
            f"The disk of {place} has {free // 1_000_000} MB free; {what_for} needs "
            f"{bytes_needed // 1_000_000} MB. Make room, or use a folder on another disk."
        )


def check_start(clone: Path, home: Path, verb: str) -> None:
    """Check the clone and the home for ``up`` and ``test``. Raises Unusable."""
    check_account(clone, verb)
    check_writable(home)
    check_belongings(home)
    begun = (home / "engines.json").exists()
    what_for = "a start" if begun else "a first start"
    check_space(home, START_NEEDS_BYTES if begun else FIRST_START_NEEDS_BYTES, what_for)


def told(error: OSError) -> str | None:
    """A sentence with the remedy for an error of the operating system; None for an error of the program."""
    where = error.filename or "a file"
    if isinstance(where, bytes):
        where = os.fsdecode(where)
    sentences = {
        errno.ENOSPC: f"The disk is full (writing {where}). Make room and try again.",
        errno.EDQUOT: f"Your quota on the disk is used up (writing {where}). Make room and try again.",
        errno.EROFS: f"{where} is on a file system that is read-only.",
        errno.EMFILE: "This process may open no more files. Raise the limit: ulimit -n 4096",
        errno.ENFILE: "This machine can open no more files. Close programs, or raise fs.file-max.",
        errno.ENOMEM: "The machine has no memory left. Close programs and try again.",
        errno.EAGAIN: "This account may start no more processes. Raise the limit (ulimit -u), or close some.",
        errno.EADDRNOTAVAIL: "No port of 127.0.0.1 is to be had: is the loopback interface up?",
    }
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{name_of(os.geteuid())} may not use {where}{_owned(where)}."
    return sentences.get(error.errno or 0)


def name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _owned(where: object) -> str:
    try:
        return f", which belongs to {name_of(os.lstat(str(where)).st_uid)}"
    except OSError:
        return ""


def _existing(folder: Path) -> Path:
    """``folder``, or the nearest existing folder above it."""
    try:
        there = folder.exists()
    except PermissionError:
        there = False
    return folder if there or folder == folder.parent else _existing(folder.parent)


def main(goals: list[str]) -> int:
    """Check for ``make GOAL ...``. Returns 1 and prints the reason when Atoll cannot run here."""
    clone = Path.cwd()
    verb = f"make {' '.join(goals)}"
    venv = clone / ".venv"
    installed = (venv / ".installed-local").exists()
    try:
        if not (installed and set(goals) <= HARMLESS):
            check_account(clone, verb)
        if not installed:
            check_machine()
            check_writable(venv)
            check_space(venv, INSTALLING_NEEDS_BYTES, "installing the packages")
    except Unusable as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
