"""Waits for the end of processes that are not our children.

psutil's own ``wait`` and ``wait_procs`` count a zombie as alive. Where process 1 reaps no
process, as in a container without an init, a zombie stays for ever.
"""

import time
from collections.abc import Iterable

import psutil

POLL_S = 0.02


def runs(process: psutil.Process) -> bool:
    """Whether the process runs. A zombie has ended."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def still_running(processes: Iterable[psutil.Process], *, within_s: float) -> list[psutil.Process]:
    """Wait until all have ended, ``within_s`` at most. Returns those that still run."""
    deadline = time.monotonic() + within_s
    alive = [process for process in processes if runs(process)]
    while alive and time.monotonic() < deadline:
        time.sleep(POLL_S)
        alive = [process for process in alive if runs(process)]
    return alive
