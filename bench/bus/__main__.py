"""The bus under load, compared with the broker and Celery without the bus.

    make bench-bus                       about eight minutes; needs RabbitMQ, PostgreSQL and Redis
    python -m bench.bus --quick          about two minutes, with rough figures

The load: persistent messages of about 1 kB, publisher confirms, ``synchronous_commit=on``,
and one service with one worker process in its shipped form, on RABBITMQ_URL and DATABASE_URL
(or the servers on this machine's standard ports). A handler updates a locked row and inserts
another. The benchmark compares the effects with the committed events; with a lost or doubled
effect it reports no figures. Keys of the JSON object on the last line:

``relay_per_s``: outbox rows that one relay publishes and marks per second from a backlog;
``relay_per_cpu_s``: the same per second of the relay's CPU time.
``handler_runs_per_s``: finished deliveries of a backlog per second.
``latency_*``: the time from the producer's commit to the handler's commit, in an open loop at
200 events/s. ``latency_intended_p99_ms`` starts at the event's intended time, so a late
producer counts. ``backlog_p99_ratio``: p99 of new events while the worker handles a backlog
of 100,000 events, divided by p99 at the same rate without the backlog.
``celery_noop_per_s``, ``kombu_confirm_per_s``, ``pyamqp_pipelined_per_s``: the upper limits.
"""

import argparse
import json
import os
import secrets
import sys
import tempfile
from pathlib import Path

import django

from atoll.dev.servers import real_servers

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


def environment(folder: Path) -> dict[str, str]:
    """Return the variables of the service under load. Raises SystemExit without one of the servers."""
    found = real_servers()
    missing = sorted({"DATABASE_URL", "RABBITMQ_URL", "REDIS_URL"} - found.keys())
    if missing:
        sys.exit(f"No server for {', '.join(missing)}: start one on its standard port, or set the variable.")
    (folder / "projects.toml").write_text(PROJECTS)
    return found | {
        "ATOLL_ENV": "test",
        "ATOLL_ROOT": str(folder),
        "ATOLL_HOME": str(folder),
        "BENCH_TIMES": str(folder / "times"),
        "BUS_PREFIX": f"bench-{secrets.token_hex(4)}.",
        "BENCH_SERVICE_SECRET": "unused",
        "DJANGO_SETTINGS_MODULE": "bench.bus.project.settings",
        "PYTHONPATH": os.pathsep.join(str(Path(entry or ".").resolve()) for entry in sys.path),
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.bus")
    parser.add_argument("--quick", action="store_true", help="a tenth of the load; the figures are rough")
    parser.add_argument(
        "--only", default="", help="comma-separated: ceilings, relay, handlers, latency, backlog"
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="of the open loop")
    return parser.parse_args()


def main() -> None:
    chosen = arguments()
    with tempfile.TemporaryDirectory(prefix="atoll-bench-") as name:
        folder = Path(name)
        os.environ.update(environment(folder))
        django.setup()
        from bench.bus.measure import Bench  # needs the settings

        bench = Bench(folder, scale=0.1 if chosen.quick else 1.0, seconds=chosen.seconds)
        try:
            bench.prepare()
            figures = bench.run([part for part in chosen.only.split(",") if part])
        finally:
            bench.clear()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
