"""Restarts, stops and starts a process of the platform that runs here, from outside of the supervisor.

A process ends by a signal, and the supervisor starts it again. A mark in ``run/`` keeps it from that: a
person has stopped the process. A new start of the platform removes the marks.
"""

from pathlib import Path
from typing import Any

import psutil

from atoll.dev import platform_lock
from atoll.dev.process import Kind

STEERABLE = (Kind.WEB, Kind.WORKER)
_MARK = ".stopped"


class CannotSteer(Exception):
    """The message is a sentence with the reason."""


def processes(home: Path) -> dict[str, dict[str, Any]]:
    """The rows of web processes and workers by name; empty where no platform runs."""
    if not platform_lock.is_running(home):
        return {}
    rows = platform_lock.read(home).get("processes", [])
    return {str(row["name"]): row for row in rows if row.get("kind") in STEERABLE and "name" in row}


def restart(home: Path, row: dict[str, Any]) -> psutil.Process | None:
    """End the process; the supervisor starts it again. A stopped one starts, and None is returned.

    Raises CannotSteer.
    """
    if is_stopped(home, row["name"]):
        start(home, row["name"])
        return None
    return _end(row)


def stop(home: Path, row: dict[str, Any]) -> None:
    """End the process, and keep the supervisor from starting it again. Raises CannotSteer."""
    mark = _mark(home, row["name"])
    try:
        mark.parent.mkdir(exist_ok=True)
        mark.touch()
    except OSError as error:
        raise CannotSteer(f"{mark} cannot be written: {error.strerror}.") from error
    try:
        _end(row)
    except CannotSteer:
        mark.unlink(missing_ok=True)
        raise


def start(home: Path, name: str) -> None:
    """Let the supervisor start a stopped process."""
    _mark(home, name).unlink(missing_ok=True)


def is_stopped(home: Path, name: str) -> bool:
    return _mark(home, name).exists()


def forget_stopped(home: Path) -> None:
    for mark in (home / "run").glob(f"*{_MARK}"):
        mark.unlink(missing_ok=True)


def _mark(home: Path, name: str) -> Path:
    return home / "run" / f"{name}{_MARK}"


def _end(row: dict[str, Any]) -> psutil.Process:
    try:
        process = psutil.Process(row["pid"])
        if process.create_time() != row["born"]:
            raise psutil.NoSuchProcess(row["pid"])
        process.terminate()
    except (psutil.NoSuchProcess, KeyError, TypeError) as error:
        raise CannotSteer(
            f"{row['name']} is not running at this moment: the supervisor starts it already."
        ) from error
    except psutil.AccessDenied as error:
        raise CannotSteer(f"Process {row['pid']} belongs to somebody else, who alone can end it.") from error
    return process
