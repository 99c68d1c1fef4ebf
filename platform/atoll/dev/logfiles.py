"""Keeping the processes' log files from growing without end."""

import shutil
from pathlib import Path

MAX_BYTES = 10_000_000
KEPT = 3


def rotate(folder: Path, max_bytes: int = MAX_BYTES) -> list[Path]:
    """Move the content of every log past ``max_bytes`` to NAME.log.1 (and .1 to .2, ...); those moved.

    The writers keep the file open, so it is copied and emptied under them; they append, and go on
    at its new end. A line written between the copy and the emptying, some microseconds, is lost.
    """
    rotated = []
    for log in sorted(folder.glob("*.log")):
        try:
            if log.stat().st_size <= max_bytes:
                continue
        except FileNotFoundError:  # deleted meanwhile
            continue
        for number in range(KEPT - 1, 0, -1):
            older = log.with_name(f"{log.name}.{number}")
            if older.exists():
                older.replace(log.with_name(f"{log.name}.{number + 1}"))
        shutil.copyfile(log, log.with_name(f"{log.name}.1"))
        with log.open("r+") as file:
            file.truncate(0)
        rotated.append(log)
    return rotated
