"""Write a flame graph of a process that runs here: profile orders worker --seconds 20."""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from atoll import conf
from atoll.dev import command, platform_lock
from atoll.dev.process import Kind
from atoll.dev.terminal import escaped

RATE_HZ = 100
MOST_SECONDS = 3600
DENIED = re.compile("permission denied|operation not permitted|requires root", re.IGNORECASE)
SAMPLES = re.compile(r"Samples: (\d+)")


class Unable(Exception):
    """No flame graph can be made. The message says why, and the remedy."""


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="manage.py profile", description=__doc__)
    parser.add_argument("name", nargs="+", help="as `status` shows it: orders, orders worker, gateway")
    parser.add_argument("--seconds", type=_seconds, default=20, help=f"1 to {MOST_SECONDS} (20)")
    parser.add_argument("--out", type=Path, metavar="FILE.svg", help="profile-NAME.svg by default")
    options = parser.parse_args(argv)
    name = "-".join(options.name)
    out = options.out or Path(f"profile-{name}.svg")
    try:
        pid = _pid(name)
        # py-spy writes at the end, and says the same when it may not look into the process.
        if out.is_dir() or not os.access(out if out.exists() else out.absolute().parent, os.W_OK):
            raise Unable(f"{out} cannot be written: is its folder there, and yours?")
        print(f"Watching {name} (process {pid}) for {options.seconds} s ...", flush=True)
        samples = _record(pid, options.seconds, out)
    except Unable as reason:
        print(escaped(reason), file=sys.stderr)
        return 1
    print(f"{out}: {samples} samples of running code. Open it in a browser.")
    return 0


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_SECONDS):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to {MOST_SECONDS}")
    return int(text)


def _pid(name: str) -> int:
    home = conf.home().resolve()
    if not platform_lock.is_running(home):
        raise Unable("Nothing runs here. Start it with `make up`.")
    found = _processes(platform_lock.read(home))
    if name not in found:
        raise Unable(f"No process called {name} runs here. There are: {', '.join(sorted(found))}.")
    return found[name]


def _processes(record: Mapping[str, Any]) -> dict[str, int]:
    """The id of each Python process, by its name. The engines are no Python."""
    rows = [row for row in record.get("processes", []) if row.get("kind") != Kind.ENGINE]
    rows += [{"name": "keeper"} | (record.get("keeper") or {}), {"name": "up", "pid": record.get("pid")}]
    return {str(row.get("name")): row["pid"] for row in rows if isinstance(row.get("pid"), int)}


def _record(pid: int, seconds: int, out: Path) -> int:
    """Returns the number of samples. Ctrl-C ends the recording, and the file has what was seen so far."""
    beside = Path(sys.executable).with_name("py-spy")
    program = str(beside) if beside.exists() else shutil.which("py-spy")
    if program is None:
        raise Unable("py-spy is not installed here: `make install` installs it.")
    process = subprocess.Popen(
        [
            *(program, "record", "--pid", str(pid), "--subprocesses", "--duration", str(seconds)),
            *("--rate", str(RATE_HZ), "--output", str(out)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        told, _ = process.communicate()
    except KeyboardInterrupt:
        told, _ = process.communicate()  # the terminal has interrupted py-spy, too
    if process.returncode != 0:
        raise Unable(_reason(told, pid))
    found = SAMPLES.search(told)
    return int(found[1]) if found else 0


def _reason(told: str, pid: int) -> str:
    if DENIED.search(told):
        return (
            f"This account may not look into process {pid}. Its owner may, where ptrace_scope is 0,"
            f" and root always: sudo {command.manage('profile ...')}"
        )
    error = next((line for line in told.splitlines() if line.startswith("Error")), "it said nothing")
    return f"py-spy failed: {error}"
