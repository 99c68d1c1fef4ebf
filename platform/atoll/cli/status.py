"""Show the processes that run here: state, port, memory."""

import argparse
import json

from atoll import conf

MB = 1024 * 1024


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="manage.py status", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object, for scripts")
    options = parser.parse_args(argv)
    from rich.console import Console
    from rich.table import Table

    from atoll.dev import instance, memory

    home = conf.home().resolve()
    if not instance.is_running(home):
        print(
            json.dumps({"running": False}) if options.json else "Nothing runs here. Start it with `make up`."
        )
        return 1
    record = instance.read(home)
    rows = list(record["processes"])
    used = {row["name"]: memory.of_tree(row["pid"]) if row["pid"] else memory.NOTHING for row in rows}
    # The keeper and `up` itself, without the processes already counted.
    import psutil

    for name, pid in (("keeper", (record["keeper"] or {}).get("pid")), ("up", record["pid"])):
        if pid and psutil.pid_exists(pid):
            used[name] = memory.of_process(psutil.Process(pid))
            rows.append({"name": name, "kind": "supervisor", "state": "ready", "pid": pid, "port": None})
    total = sum(used.values(), memory.NOTHING)
    if options.json:
        for row in rows:
            row["pss_mb"] = round(used[row["name"]].pss / MB, 1)
            row["rss_mb"] = round(used[row["name"]].rss / MB, 1)
        figures = {"pss_mb": round(total.pss / MB, 1), "rss_mb": round(total.rss / MB, 1)}
        print(
            json.dumps(
                record | figures | {"running": True, "processes": rows, "os_processes": total.processes}
            )
        )
        return 0
    table = Table(title=f"Atoll at {record['address']}, since {record['started_at']}", title_justify="left")
    table.add_column("process", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for column in ("pid", "port", "restarts", "PSS MB", "RSS MB"):
        table.add_column(column, justify="right")
    for row in rows:
        size = used[row["name"]]
        columns = (row["name"], row["state"], row["pid"], row["port"], row.get("restarts"))
        table.add_row(
            *(str(value or "") for value in columns), f"{size.pss / MB:.0f}", f"{size.rss / MB:.0f}"
        )
    table.add_section()
    sums = (f"{total.pss / MB:.0f}", f"{total.rss / MB:.0f}")
    table.add_row(f"{total.processes} in all", "", "", "", "", *sums)
    Console().print(table)
    return 0
