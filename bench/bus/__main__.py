"""The bus under load, compared with the broker and Celery without the bus.

    make bench-bus                       everything; needs RabbitMQ and Redis
    make bench-bus against=REVISION      and the same of that commit, in turn, with ratios
    python -m bench.bus --quick          a tenth of the load, with rough figures
    python -m bench.bus --only soak --minutes 60

The load: persistent messages of about 1 kB, publisher confirms, ``synchronous_commit=on``, a
PostgreSQL of its own, and one service with one worker process in its shipped form. A handler updates a
locked row and inserts another. The benchmark compares the effects with the committed events; with a lost or
doubled effect it reports no figures. Keys of the JSON object on the last line:

``relay_*``: outbox rows that one relay publishes and marks from a backlog; ``handler_runs_*``: a worker
with a backlog in its queue. ``_per_s``; ``_per_cpu_s``: per second of the process's own processor time;
``_per_cpu_s_with_postgres``; ``_statements``, ``_commits``, ``_wal_kb``, ``_publishes``: for each message,
the last counted by the RabbitMQ node, so nothing else may publish there.
``latency_*``: the time from the producer's commit to the handler's commit, in an open loop at
200 events/s. ``latency_intended_p99_ms`` starts at the event's intended time, so a late
producer counts.
``backlog_*``: 100,000 events wait in the outbox while no worker runs; ``queue_*``: in the service's
queue. ``_p99_ratio``: p99 of new events beside them, divided by p99 without; ``_drain_ratio``: events
of the backlog per second beside new ones, divided by those without.
``celery_noop_*``, ``kombu_confirm_per_s``, ``pyamqp_pipelined_per_s``: the upper limits. ``*_to_noop``:
ours divided by the no-op's.
``soak_*``, only when it is asked for: size of the ledger's tables per row, and latency, in the first and
last of N minutes at 100 events/s. ``held_snapshot_ratio``: handler runs per second while a
transaction holds an old snapshot, divided by those without.
"""

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from atoll import conf
from atoll.dev.servers import real_servers
from bench import ending, postgres
from bench.bus import queues, ratios
from bench.checkout import UnknownRevision, checked_out

PROJECTS = """
[bench]
package = "bench.bus.project"
service = "bench-service"
port = 9140
database = "atoll_bench"
server = "wsgi"
worker = true

[registry]
package = "registry"
service = "registry"
port = 9141
database = "unused"
server = "asgi"
worker = false
"""


def main() -> int:
    ending.exit_on_sigterm()
    chosen = arguments()
    found = real_servers()
    missing = sorted({"RABBITMQ_URL", "REDIS_URL"} - found.keys())
    if missing:
        sys.exit(f"No server for {', '.join(missing)}: start one on its standard port, or set the variable.")
    servers = {name: found[name] for name in ("RABBITMQ_URL", "REDIS_URL")}
    try:
        with ExitStack() as stack:
            theirs = stack.enter_context(checked_out(chosen.against)) if chosen.against else None
            figures = measured(conf.root(), servers, chosen)
            if theirs:
                against = measured(theirs, servers, chosen)
                figures |= {
                    "against": {"revision": chosen.against} | against,
                    "ratios": ratios.to_other(figures, against),
                }
    except UnknownRevision as unknown:
        sys.exit(str(unknown))
    print(json.dumps(figures))
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.bus")
    parser.add_argument("--quick", action="store_true", help="a tenth of the load; the figures are rough")
    parser.add_argument(
        "--only", default="", help="comma-separated: ceilings, relay, handlers, latency, backlog, queue, soak"
    )
    parser.add_argument("--seconds", type=float, help="of each open loop (60; quick: 10)")
    parser.add_argument("--minutes", type=float, default=5.0, help="of the soak (5)")
    parser.add_argument("--against", metavar="REVISION", help="measure that commit, too")
    return parser.parse_args()


def measured(root: Path, servers: dict[str, str], chosen: argparse.Namespace) -> dict[str, Any]:
    """The figures of the library in ``root``, from a process of its own. Raises SystemExit when it fails."""
    options = {
        "--scale": 0.1 if chosen.quick else 1.0,
        "--seconds": chosen.seconds or (10.0 if chosen.quick else 60.0),
        "--minutes": chosen.minutes,
        "--only": chosen.only,
    }
    command = [
        sys.executable,
        "-m",
        "bench.bus.inside",
        *(f"{key}={value}" for key, value in options.items()),
    ]
    with (
        tempfile.TemporaryDirectory(prefix="atoll-bench-") as name,
        postgres.running("atoll_bench") as server,
    ):
        variables = environment(root, Path(name), server) | servers
        process = subprocess.Popen(command, env=os.environ | variables, stdout=subprocess.PIPE, text=True)
        line = ""
        try:
            for line in process.stdout or ():
                print(line, end="", flush=True)
        finally:
            process.terminate()
            process.wait()
            queues.delete(servers["RABBITMQ_URL"], variables["BUS_PREFIX"])
    if process.returncode != 0:
        sys.exit(process.returncode)
    found = dict(json.loads(line))
    return found | ratios.to_noop(found)


def environment(root: Path, folder: Path, server: postgres.Server) -> dict[str, str]:
    """The variables of the service under load: this benchmark with the library of ``root``."""
    (folder / "projects.toml").write_text(PROJECTS)
    return {
        "ATOLL_ENV": "test",
        "ATOLL_ROOT": str(folder),
        "ATOLL_HOME": str(folder),
        "BENCH_TIMES": str(folder / "times"),
        "BENCH_SERVER_PID": str(server.pid),
        "BUS_PREFIX": f"bench-{secrets.token_hex(4)}.",
        "BENCH_SERVICE_SECRET": "unused",
        "DATABASE_URL": server.url,
        "DJANGO_SETTINGS_MODULE": "bench.bus.project.settings",
        "PYTHONPATH": os.pathsep.join(map(str, (root / "platform", conf.root()))),
    }


if __name__ == "__main__":
    sys.exit(main())
