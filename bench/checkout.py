"""Another revision of the repository, checked out beside this one for a measurement."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from atoll import conf
from atoll.dev.doctor import installed_version, pins_of


class UnknownRevision(Exception):
    """git has no commit of that name. The message names it."""


@contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """The folder of a git worktree at ``revision``, which is removed at the end. Raises UnknownRevision.

    Programs there run with this environment's packages: set PYTHONPATH to the folder and its ``platform``.
    Packages that the revision needs and this environment lacks are installed into that ``platform``.
    """
    found = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if found.returncode != 0:
        raise UnknownRevision(f"git knows no commit {revision!r} here.")
    with tempfile.TemporaryDirectory(prefix="atoll-against-") as name:
        folder = Path(name) / "repository"
        try:
            added = _git("worktree", "add", "--detach", str(folder), found.stdout.strip())
            if added.returncode != 0:
                raise UnknownRevision(f"{revision!r} cannot be checked out: {added.stderr.strip()}")
            _install(missing(folder / "requirements"), folder / "platform")
            yield folder
        finally:
            _git("worktree", "remove", "--force", str(folder))


def missing(requirements: Path) -> list[str]:
    """The pinned requirements for a running platform that this environment has in no version."""
    files = [requirements / "base.txt", requirements / "local.txt"]
    pins = {name: pin for file in files if file.exists() for name, pin in pins_of(file).items()}
    return [f"{name}=={pin}" for name, pin in pins.items() if installed_version(name) is None]


def _install(requirements: list[str], folder: Path) -> None:
    if requirements:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
        subprocess.run([*pip, *requirements], check=True)


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=conf.root(), capture_output=True, text=True, check=False)
