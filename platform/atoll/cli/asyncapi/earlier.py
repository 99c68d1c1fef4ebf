"""What was published before: the document in git's history, where there is one."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

from atoll.bus.schemas.definitions import Definition
from atoll.errors import Misuse

MAIN_BRANCHES = ("origin/HEAD", "origin/main", "origin/master")


def documents(path: Path, base: str | None = None) -> dict[str, str]:
    """The text of the document by the commit it was in; {} without git, or where it was in none.

    On a branch: where the branch left the main one, so that a draft may still
    change. On the main branch itself: the last commit and the one before, of which
    a shallow clone may have only the first. ``base`` names another commit; Misuse
    when it is none.
    """
    folder = path.parent
    head = _git(folder, "rev-parse", "--verify", "HEAD^{commit}")
    if base:
        if not _git(folder, "rev-parse", "--verify", "--end-of-options", f"{base}^{{commit}}"):
            raise Misuse(f"{base} is no commit here.")
        commits = [base]
    elif not head:
        return {}
    else:
        fork = _fork(folder)
        commits = [fork] if fork and fork != head.strip() else ["HEAD", "HEAD~1"]
    texts = {commit: _git(folder, "show", f"{commit}:./{path.name}") for commit in commits}
    return {commit[:12]: text for commit, text in texts.items() if text}


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


def _git(folder: Path, *command: str) -> str | None:
    """What git prints; None when it fails or is not there."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *command], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None
