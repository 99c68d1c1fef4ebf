"""What was published before: the document in git's history, where there is one."""

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from atoll.bus.schemas.definitions import Definition
from atoll.errors import Misuse

MAIN_BRANCHES = ("origin/HEAD", "origin/main", "origin/master")


def documents(path: Path, base: str | None = None) -> dict[str, str]:
    """The text of the document by commit, empty where it was not there yet; {} without git.

    On a branch: where the branch left the main one, so that a draft may still
    change. On the main branch itself: the last commit and the one before, of which
    a shallow clone may have only the first. ``base`` names another commit; Misuse
    when it is none.
    """
    folder = path.parent
    head = _commit(folder, "HEAD")
    if base:
        if not _commit(folder, base):
            raise Misuse(f"{base} is no commit here.")
        commits = [base]
    elif not head:
        return {}
    else:
        fork = _fork(folder)
        commits = [fork] if fork and fork != head else ["HEAD", "HEAD~1"]
    return {
        commit[:12]: _git(folder, "show", f"{commit}:./{path.name}") or ""
        for commit in commits
        if _commit(folder, commit)
    }


def kept(before: Iterable[Definition], held: Iterable[Definition], dropped: set[str]) -> list[Definition]:
    """Of earlier definitions those that stay listed when a newer version takes over.

    One that was superseded before and is in the file no more was dropped on purpose.
    """
    listed = {definition.key for definition in held}
    return [
        definition
        for definition in before
        if (not definition.superseded or definition.key in listed)
        and f"{definition.name}@{definition.version}" not in dropped
    ]


def _fork(folder: Path) -> str | None:
    for branch in MAIN_BRANCHES:
        if commit := _git(folder, "merge-base", "HEAD", branch):
            return commit.strip()
    return None


def _commit(folder: Path, name: str) -> str | None:
    found = _git(folder, "rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}")
    return found.strip() if found else None


def _git(folder: Path, *command: str) -> str | None:
    """The output of git; None when it fails or is not installed.

    A hook of git or `git rebase --exec` sets GIT_DIR, and git then takes ``folder`` for the root of the
    repository.
    """
    env = {name: value for name, value in os.environ.items() if name not in ("GIT_DIR", "GIT_WORK_TREE")}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *command], env=env, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None
