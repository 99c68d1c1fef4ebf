"""Waiting for the end of processes that are not our children.

psutil's own ``wait`` and ``wait_procs`` count a zombie as alive. Where process 1 reaps
nobody, as in a container without an init, it stays a zombie for ever.
"""

import time
from collections.abc import Iterable

import psutil

POLL_S = 0.02


def runs(process: psutil.Process) -> bool:
    """False from the moment it ended, whether its parent has reaped it or not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def still_running(processes: Iterable[psutil.Process], *, within_s: float) -> list[psutil.Process]:
    """Wait until all have ended, ``within_s`` at most; those that have not."""
    deadline = time.monotonic() + within_s
    alive = [process for process in processes if runs(process)]
    while alive and time.monotonic() < deadline:
        time.sleep(POLL_S)
        alive = [process for process in alive if runs(process)]
    return alive
