"""Show the processes that run here: state, port, memory."""

import argparse
import json
import sys
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table
from rich.text import Text

from atoll import conf
from atoll.dev import memory, platform_lock
from atoll.dev.terminal import escaped

MB = 1024 * 1024


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="manage.py status", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object, for scripts")
    options = parser.parse_args(argv)
    home = conf.home().resolve()
    try:
        is_running = platform_lock.is_running(home)
        record = platform_lock.read(home) if is_running else {}
    except PermissionError as error:
        print(f"The processes here cannot be read: {error.strerror}: {error.filename}", file=sys.stderr)
        return 1
    if not is_running:
        print(
            json.dumps({"running": False}) if options.json else "Nothing runs here. Start it with `make up`."
        )
        return 1
    rows = [dict(row) for row in record.get("processes", [])]
    used = [memory.of_tree(row["pid"]) if isinstance(row.get("pid"), int) else memory.NOTHING for row in rows]
    # The keeper and `up` itself, without the processes that the rows count.
    for name, pid in (("keeper", (record.get("keeper") or {}).get("pid")), ("up", record.get("pid"))):
        alone = _alone(pid)
        if alone is not None:
            used.append(alone)
            rows.append({"name": name, "kind": "supervisor", "state": "ready", "pid": pid, "port": None})
    total = sum(used, memory.NOTHING)
    if options.json:
        print(json.dumps(_as_json(record, rows, used, total)))
        return 0
    if not record.get("processes"):
        print("Atoll is starting here; no process of it is running yet.")
        return 0
    table = Table(
        title=escaped(f"Atoll at {record.get('address')}, since {record.get('started_at')}"),
        title_justify="left",
    )
    table.add_column("process", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for column in ("pid", "port", "restarts", "PSS MB", "RSS MB"):
        table.add_column(column, justify="right")
    for row, size in zip(rows, used, strict=True):
        columns = (row.get(name) for name in ("name", "state", "pid", "port", "restarts"))
        table.add_row(
            *(Text(escaped(value or "")) for value in columns),
            f"{size.pss / MB:.0f}",
            f"{size.rss / MB:.0f}",
        )
    table.add_section()
    sums = (f"{total.pss / MB:.0f}", f"{total.rss / MB:.0f}")
    table.add_row(f"{total.processes} in all", "", "", "", "", *sums)
    Console().print(table)
    return 0


def _alone(pid: Any) -> memory.Memory | None:
    """The memory of one process without its children; None when no process has that id."""
    if not isinstance(pid, int):
        return None
    try:
        return memory.of_process(psutil.Process(pid))
    except (psutil.Error, OverflowError, ValueError):
        return None


def _as_json(
    record: dict[str, Any], rows: list[dict[str, Any]], used: list[memory.Memory], total: memory.Memory
) -> dict[str, Any]:
    for row, size in zip(rows, used, strict=True):
        row["pss_mb"] = round(size.pss / MB, 1)
        row["rss_mb"] = round(size.rss / MB, 1)
    figures = {"pss_mb": round(total.pss / MB, 1), "rss_mb": round(total.rss / MB, 1)}
    return record | figures | {"running": True, "processes": rows, "os_processes": total.processes}
