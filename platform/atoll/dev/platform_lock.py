"""Allows one platform per home: the lock, the record of its processes, and the clean-up after a crash."""

import fcntl
import json
import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from atoll.dev import command, ending
from atoll.dev.process import Member

LEFTOVER_GRACE_S = 10.0
KILLED_IS_GONE_WITHIN_S = 2.0


class AlreadyRunning(Exception):
    """Another ``up`` holds this home."""

    def __init__(self, record: dict[str, Any]) -> None:
        super().__init__()
        self.record = record

    def __str__(self) -> str:
        pid, address = self.record.get("pid", "?"), self.record.get("address", "an unknown address")
        since = self.record.get("started_at", "?")
        return (
            f"Atoll already runs here: process {pid}, since {since}, at {address}\n"
            f"Stop it with Ctrl-C in its terminal or `{command.manage('down')}`; "
            f"see it with `{command.manage('status')}`."
        )


class PlatformLock:
    """Holds the lock on ``home`` while it is open, and keeps ``up.json`` up to date.

    The kernel drops the lock when its holder ends in any way.
    """

    def __init__(self, home: Path, address: str) -> None:
        self.home = home
        self.record: dict[str, Any] = {
            "pid": os.getpid(),
            "address": address,
            "started_at": _now(),
            "ready_at": None,
            "keeper": None,
            "processes": [],
        }
        home.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(home / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise AlreadyRunning(read(home)) from None

    def leftovers(self) -> list[psutil.Process]:
        """Processes of an earlier ``up`` that still run, by id and time of birth."""
        found = []
        held = read(self.home)
        for row in [*held.get("processes", []), held.get("keeper") or {}]:
            with suppress(psutil.NoSuchProcess, KeyError, TypeError):
                process = psutil.Process(row["pid"])
                if process.create_time() == row["born"] and ending.runs(process):
                    found.append(process)
        return found

    def clear_leftovers(self) -> list[int]:
        """End processes that an earlier ``up`` left running. Returns their ids.

        The earlier keeper usually stops them already, so they get LEFTOVER_GRACE_S to finish.
        """
        processes = self.leftovers()
        alive = ending.still_running(processes, within_s=0.2)
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        alive = ending.still_running(alive, within_s=LEFTOVER_GRACE_S)
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        ending.still_running(alive, within_s=KILLED_IS_GONE_WITHIN_S)
        return [process.pid for process in processes]

    def write(self, members: list[Member], *, keeper: int | None) -> None:
        self.record["keeper"] = _identity(keeper)
        self.record["processes"] = [
            {
                "name": m.name,
                "kind": m.spec.kind,
                "state": m.state,
                "port": m.spec.port,
                "restarts": m.restarts,
            }
            | (_identity(m.pid) or {"pid": m.pid, "born": None})
            for m in members
        ]
        self._save()

    def mark_ready(self) -> None:
        self.record["ready_at"] = _now()
        self._save()

    def close(self) -> None:
        with suppress(FileNotFoundError):
            (self.home / "up.json").unlink()
        os.close(self._lock)

    def _save(self) -> None:
        fresh = self.home / "up.json.new"
        # Without the file `status` shows an older state; running matters more.
        with suppress(OSError):
            self.home.mkdir(parents=True, exist_ok=True)
            fresh.write_text(json.dumps(self.record, indent=1))
            fresh.replace(self.home / "up.json")


def read(home: Path) -> dict[str, Any]:
    """The record of the running ``up``, or of the last one if it was killed; ``{}`` without one.

    An ``up`` that has just begun has no record yet. A file with other content counts as none.
    """
    try:
        record = json.loads((home / "up.json").read_text())
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    return record if _is_record(record) else {}


def is_running(home: Path) -> bool:
    try:
        descriptor = os.open(home / "up.lock", os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _is_record(record: Any) -> bool:
    if not isinstance(record, dict):
        return False
    members = [*_list(record.get("processes", [])), record.get("keeper") or {}]
    return isinstance(record.get("pid", 0), int) and all(isinstance(member, dict) for member in members)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _identity(pid: int | None) -> dict[str, Any] | None:
    if pid is None:
        return None
    try:
        return {"pid": pid, "born": psutil.Process(pid).create_time()}
    except psutil.NoSuchProcess:
        return None


def _now() -> str:
    return datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
