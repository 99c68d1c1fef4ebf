"""The operating-system account of the embedded PostgreSQL.

PostgreSQL refuses to run as root. An ordinary user runs it under their own account. Root (in a
container, on a bare server) runs it under an unprivileged account. This account must reach the
programs and the data, also when the clone lies in a folder closed to others, such as /root.
"""

import hashlib
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ACCOUNT = "atoll"
ROOM = Path("/var/lib/atoll")
HOME_NOTE = ".home"  # lies beside data of a home elsewhere, and names this home


@dataclass(frozen=True)
class Account:
    """An account that a process can run under."""

    uid: int
    gid: int
    name: str = ""

    def popen_options(self) -> dict[str, object]:
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


@cache
def server_account() -> Account | None:
    """The account for PostgreSQL, made on first use; None for an ordinary user.

    Where accounts cannot be made (a read-only image) it is ``nobody``.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(ACCOUNT)
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT]
        made = shutil.which("useradd") and subprocess.run(command, capture_output=True).returncode == 0
        entry = pwd.getpwnam(ACCOUNT if made else "nobody")
    return Account(entry.pw_uid, entry.pw_gid, entry.pw_name)


def told(data: Path, programs: Path) -> str:
    """A sentence for root with PostgreSQL's account and folders; empty for an ordinary user."""
    account = server_account()
    if account is None:
        return ""
    return (
        f"As root: PostgreSQL runs under the account {account.name} (made if it was missing), "
        f"keeps its data in {data.resolve()} and is run from {programs}."
    )


def _reaches(account: Account, command: list[str]) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, cwd="/", **account.popen_options())  # type: ignore[call-overload]
    except PermissionError:
        return False
    return bool(done.returncode == 0)


def reachable_data(folder: Path) -> Path:
    """Make ``folder`` for the server's account. Returns the folder that holds the data.

    Where the account cannot reach ``folder``, this is one under /var/lib/atoll, and ``folder``
    becomes a symbolic link to it.
    """
    account = server_account()
    if folder.is_symlink():
        folder.resolve().mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if account is None:
        return folder
    os.chown(folder, account.uid, account.gid)
    if _reaches(account, ["test", "-w", str(folder.resolve())]):
        return folder.resolve()
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    elsewhere = ROOM / digest
    _drop_orphans()
    elsewhere.mkdir(mode=0o700, parents=True, exist_ok=True)
    ROOM.chmod(0o755)
    os.chown(elsewhere, account.uid, account.gid)
    folder.rmdir()
    folder.symlink_to(elsewhere)
    elsewhere.with_suffix(HOME_NOTE).write_text(str(folder))
    return elsewhere


def _drop_orphans() -> None:
    """Delete data under /var/lib/atoll of homes that no longer exist: a person deleted them with `rm`."""
    for note in ROOM.glob(f"*{HOME_NOTE}"):
        if not Path(note.read_text()).is_symlink():
            shutil.rmtree(note.with_suffix(""), ignore_errors=True)
            note.unlink(missing_ok=True)


def reachable_programs(package: Path, program: str, version: str) -> Path:
    """The folder of ``program`` that the server's account can reach.

    This is the folder inside ``package``, or a copy under /var/lib/atoll, made once per version.
    """
    account = server_account()
    inside = (package / program).parent
    if account is None or _reaches(account, [str(package / program), "--version"]):
        return inside
    copy = ROOM / f"{package.name}-{version}"
    if not copy.exists():
        ROOM.mkdir(mode=0o755, parents=True, exist_ok=True)
        ROOM.chmod(0o755)
        unfinished = ROOM / f"{copy.name}.{os.getpid()}"
        # The programs find their shared libraries beside the package, by relative path.
        for source in (package, package.with_name(f"{package.name}.libs")):
            if source.exists():
                shutil.copytree(source, unfinished / source.name, symlinks=True)
        for path in [unfinished, *unfinished.rglob("*")]:
            if not path.is_symlink():
                path.chmod(
                    path.stat().st_mode | (0o055 if path.is_dir() or path.stat().st_mode & 0o100 else 0o044)
                )
        unfinished.rename(copy)
    return (copy / package.name / program).parent
