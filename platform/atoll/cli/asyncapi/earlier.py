"""Earlier definitions: the document in git's history."""

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from atoll.bus.schemas.definitions import Definition
from atoll.errors import Misuse

MAIN_BRANCHES = ("origin/HEAD", "origin/main", "origin/master")


def documents(path: Path, base: str | None = None) -> dict[str, str]:
    """The text of the document by commit, empty where a commit has none; {} without git.

    On a branch the commit is the one where the branch left the main branch, so that a draft may
    still change. On the main branch these are the last two commits; a shallow clone may have
    only one. ``base`` names another commit. Raises Misuse when git does not know ``base``.
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
    """The earlier definitions that stay listed beside a newer version.

    A superseded definition that is no longer in the file was dropped on purpose.
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
