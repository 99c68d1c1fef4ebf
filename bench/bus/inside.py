"""The process that measures, with the settings of the service under load: ``bench.bus`` starts it."""

import argparse
import json
import os
from pathlib import Path

import django

from bench import ending
from bench.postgres import Server


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.bus.inside")
    parser.add_argument("--scale", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--only", required=True)
    chosen = parser.parse_args()
    ending.exit_on_sigterm()
    django.setup()
    from bench.bus.measure import Bench  # needs the settings
    from bench.bus.service import Service

    server = Server(os.environ["DATABASE_URL"], int(os.environ["BENCH_SERVER_PID"]), "atoll_bench")
    service = Service(Path(os.environ["ATOLL_HOME"]), server)
    service.prepare()
    bench = Bench(service, chosen.scale, chosen.seconds, chosen.minutes)
    print(json.dumps(bench.run([part for part in chosen.only.split(",") if part])))


if __name__ == "__main__":
    main()
