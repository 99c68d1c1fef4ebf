"""Restart one process of the platform that runs here, with the code and the settings of now.

A process that was stopped starts.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from atoll import conf
from atoll.dev import command, platform_lock, steering
from atoll.dev.process import State
from atoll.dev.terminal import escaped

# A process finishes its requests and messages first; then it starts.
ENDS_WITHIN_S = 30.0
READY_WITHIN_S = 90.0
ASKED_EVERY_S = 0.1


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="manage.py restart", description=__doc__)
    parser.add_argument("name", metavar="NAME", help="a process of `status`: orders, orders-worker, ...")
    options = parser.parse_args(argv)
    home = conf.home().resolve()
    if not platform_lock.is_running(home):
        print(f"The platform is down. Start it with `{command.manage('up')}`.", file=sys.stderr)
        return 1
    rows = steering.processes(home)
    if options.name not in rows:
        known = ", ".join(rows) or "none yet"
        print(f"No process {escaped(options.name)} can be restarted. There are: {known}.", file=sys.stderr)
        return 2
    return _restart(home, rows[options.name])


def _restart(home: Path, before: dict[str, Any]) -> int:
    """End the process; the supervisor starts it again. Returns when the new one is ready."""
    name = before["name"]
    began = time.monotonic()
    try:
        process = steering.restart(home, before)
        if process is not None:
            process.wait(ENDS_WITHIN_S)
    except steering.CannotSteer as reason:
        print(reason, file=sys.stderr)
        return 1
    except psutil.TimeoutExpired:
        print(f"{name} (process {before['pid']}) did not end within {ENDS_WITHIN_S:.0f} s.", file=sys.stderr)
        return 1
    while time.monotonic() - began < ENDS_WITHIN_S + READY_WITHIN_S:
        now = steering.processes(home).get(name)
        if now is None:
            print("The platform was stopped meanwhile.", file=sys.stderr)
            return 1
        if now["state"] == State.READY and now["pid"] != before["pid"]:
            print(f"{name} is ready again after {time.monotonic() - began:.1f} s: process {now['pid']}.")
            return 0
        time.sleep(ASKED_EVERY_S)
    print(f"{name} is not ready. See why: {command.manage(f'logs {name}')}", file=sys.stderr)
    return 1
