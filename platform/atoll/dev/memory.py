"""Memory of process trees. Shared pages count once."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Memory:
    """Bytes. ``pss`` splits each shared page among its users (Linux); elsewhere it equals ``rss``."""

    pss: int
    rss: int
    processes: int

    def __add__(self, other: "Memory") -> "Memory":
        return Memory(self.pss + other.pss, self.rss + other.rss, self.processes + other.processes)


NOTHING = Memory(0, 0, 0)


def of_tree(pid: int) -> Memory:
    """The memory of a process and its descendants; NOTHING when it is gone or not readable."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except (psutil.NoSuchProcess, psutil.AccessDenied, OverflowError, ValueError):
        # Gone, somebody else's, or no process id at all.
        return NOTHING
    return sum((of_process(member) for member in family), NOTHING)


def of_process(process: psutil.Process) -> Memory:
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied, FileNotFoundError, ProcessLookupError):
        rss = process.memory_info().rss
        return Memory(_pss(process.pid, rss), rss, 1)
    return NOTHING


def _pss(pid: int, fallback: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, PermissionError):
        return fallback
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return fallback
