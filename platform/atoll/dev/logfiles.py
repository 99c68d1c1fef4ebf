"""Rotates the log files of the processes."""

import shutil
from pathlib import Path

MAX_BYTES = 10_000_000
KEPT = 3


def rotate(folder: Path, max_bytes: int = MAX_BYTES) -> list[Path]:
    """Move the content of each log past ``max_bytes`` to NAME.log.1 (and .1 to .2, ...). Returns these logs.

    The writers keep the file open and append, so the content is copied and the file emptied. A line
    that is written in the microseconds between the two is lost.
    """
    rotated = []
    for log in sorted(folder.glob("*.log")):
        try:
            if log.stat().st_size <= max_bytes:
                continue
        except FileNotFoundError:  # the file has been deleted
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
