"""Deletes the content of a home: all of it, or nothing."""

import os
import shutil
import stat
from pathlib import Path

from atoll.dev import place

NAMED = 3


class NotErased(Exception):
    """A part could not be deleted, so nothing was. The message names the part."""


def erase(home: Path, kept: set[str]) -> None:
    """Delete everything in ``home`` but the names ``kept``, and the data behind its links.

    Raises NotErased, and changes nothing, when a part cannot be deleted.
    """
    entries = [path for path in home.iterdir() if path.name not in kept]
    elsewhere = [entry.resolve() for entry in entries if entry.is_symlink() and entry.resolve().is_dir()]
    refused = [] if os.access(home, os.W_OK | os.X_OK) else [home]
    refused += [path for top in (*entries, *elsewhere) for path in _undeletable(top)]
    if refused:
        named = ", ".join(f"{path} ({place.name_of(path.lstat().st_uid)}'s)" for path in refused[:NAMED])
        more = f" and {len(refused) - NAMED} more" if len(refused) > NAMED else ""
        raise NotErased(f"{place.name_of(os.geteuid())} may not delete {named}{more}.")
    # Rename everything before the first file is deleted.
    moved: list[tuple[Path, Path]] = []
    try:
        for entry in entries:
            aside = entry.with_name(f".erased-{os.getpid()}-{entry.name}")
            entry.rename(aside)
            moved.append((entry, aside))
    except OSError as error:
        for entry, aside in reversed(moved):
            aside.rename(entry)
        raise NotErased(place.told(error) or str(error)) from error
    for path in (*(aside for _, aside in moved), *elsewhere):
        _delete(path)


def _undeletable(top: Path) -> list[Path]:
    """The folders in ``top`` that this account may not empty, and the mounts there."""
    if top.is_symlink() or not top.is_dir():
        return []
    found: list[Path] = []

    def note(error: OSError) -> None:
        found.append(Path(str(error.filename)))

    for name, folders, files in os.walk(top, onerror=note):
        folder = Path(name)
        full = bool(folders or files)
        if (full and not os.access(folder, os.W_OK | os.X_OK)) or os.path.ismount(folder):
            found.append(folder)
        if full and folder.stat().st_mode & stat.S_ISVTX and os.geteuid() not in (0, folder.stat().st_uid):
            found += [folder / entry for entry in files if (folder / entry).lstat().st_uid != os.geteuid()]
    return found


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
