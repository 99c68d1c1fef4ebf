"""The gateway with everything on, beside nginx, HAProxy, Caddy, Express and Django, all in one run.

    make bench-gateway                  about ten minutes
    make bench-gateway quick=1          the figures of the first table alone, two minutes
    make bench-gateway only=nginx,atoll these servers
    make bench-gateway feature=without_traces
                                        the gateway with and without one feature, in turn
    make bench-gateway million=1        also the memory before and after a million requests

The server under test has one core for all its processes; the client and the service behind it share
another. Every server forwards to two instances. Programs that are missing come from Debian and npm.
Keys of the JSON object on the last line:

``NAME_per_s``, ``NAME_cpu_us``: requests per second, and processor time of all processes of the server
per request; 0.5 kB, 32 connections. Machines are noisy, and processor time is the steadier one.
``bad``: answers that were not 200, and errors of connections, of all runs together.
``ratios``: of the gateway to its peers; ``_cpu`` is processor time.
``by_load``: other bodies, connections, and header blocks that differ from request to request (``counting``).
``by_feature``: the gateway without one feature, and without all.
``with_all_cpu_us``, ``without_traces_cpu_us``: processor time per request, medians of ROUNDS rounds in turn.
``added_p99_us``: p99 through the gateway less p99 of the service, both at half of ``atoll_per_s``, open loop.
``memory_mb``: of the gateway before and after a million requests.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

from bench import ending
from bench.gateway import ours, paced, peers, service, surroundings, tools
from bench.gateway.load import Load, measure
from bench.gateway.ours import Features
from bench.gateway.processes import OPEN_FILES, Server

SECONDS, QUICK_SECONDS = 6, 3
ROUNDS = 3
MILLION = 1_000_000
LOADS = {
    "large": Load("/large"),
    "post": Load(method="POST", body_bytes=10_000),
    "counting": Load(counting=True),
    "connections_512": Load(connections=512),
    "connections_4096": Load(connections=4096),
}
FEATURES = {
    "without_token": Features(token=False),
    "without_limit": Features(limit=False),
    "without_cors": Features(cors=False),
    "without_log": Features(log=False),
    "without_traces": Features(traces=False),
    "bare": Features(token=False, limit=False, cors=False, log=False, traces=False),
}
NAMES = ["atoll", *peers.PEERS]


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.gateway")
    parser.add_argument("--quick", action="store_true", help="the first table alone, short; rough figures")
    parser.add_argument("--only", metavar="NAMES", default="", help=f"of {', '.join(NAMES)}")
    parser.add_argument(
        "--feature",
        choices=sorted(FEATURES),
        help="only what it costs: the gateway with and without, in turn",
    )
    parser.add_argument("--million", action="store_true", help="also a million requests, for the memory")
    found = parser.parse_args(argv)
    found.names = [name for name in found.only.split(",") if name] or NAMES
    if unknown := sorted(set(found.names) - set(NAMES)):
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(NAMES)}")
    return found


class Bench:
    """One run. All figures end in ``found``."""

    def __init__(self, chosen: argparse.Namespace, home: Path, stack: ExitStack) -> None:
        cores = sorted(os.sched_getaffinity(0))
        self.core, self.other_core = cores[0], cores[1 % len(cores)]
        os.sched_setaffinity(0, {self.other_core})
        self.chosen = chosen
        self.home = home
        self.seconds = QUICK_SECONDS if chosen.quick else SECONDS
        self.found: dict[str, Any] = {"bad": 0}
        self.service, self.ports = stack.enter_context(service.running(home, self.other_core))
        self.around = stack.enter_context(surroundings.running(home, self.ports))
        self.fields = {"Authorization": f"Bearer {self.around.token}", "Origin": ours.ORIGIN}

    def run(self) -> dict[str, Any]:
        if self.chosen.feature:
            self._cost_of(self.chosen.feature)
            return self.found
        for name in self.chosen.names:
            with self.server(name) as server:
                self._first_table(name, server)
                if not self.chosen.quick:
                    self._other_loads(name, server)
                if name == "atoll":
                    self._alone(server)
        if "atoll" in self.chosen.names and not self.chosen.quick:
            self._without_features()
        self._ratios()
        return self.found

    def server(self, name: str, features: Features | None = None) -> AbstractContextManager[Server]:
        if name == "atoll":
            return ours.running(self.home, self.around, self.core, features)
        return peers.PEERS[name](self.home, self.around, self.ports, self.core)

    def one(self, server: Server, load: Load) -> dict[str, Any]:
        load = Load(**{**vars(load), "fields": self.fields})
        found = measure(server, load, self.other_core, self.seconds)
        self.found["bad"] += found["bad"]
        return found

    def _first_table(self, name: str, server: Server) -> None:
        found = self.one(server, Load())
        print(f"{name}: {json.dumps(found)}", flush=True)
        self.found |= {f"{name}_per_s": found["per_s"], f"{name}_cpu_us": found["cpu_us"]}

    def _other_loads(self, name: str, server: Server) -> None:
        for kind, load in LOADS.items():
            if name == "django" and kind == "post":
                continue
            found = self.one(server, load)
            print(f"{name}, {kind}: {json.dumps(found)}", flush=True)
            self.found.setdefault("by_load", {}).setdefault(kind, {})[name] = found

    def _alone(self, server: Server) -> None:
        if not self.chosen.quick:
            self._added(server)
        if self.chosen.million:
            self._memory(server)

    def _added(self, server: Server) -> None:
        rate = self.found["atoll_per_s"] / 2
        load = Load(fields=self.fields)
        direct = paced.measure(self.service, load, rate, self.seconds)
        through = paced.measure(server, load, rate, self.seconds)
        self.found["bad"] += direct.bad + through.bad
        for share, name in ((0.5, "p50"), (0.99, "p99")):
            self.found[f"direct_{name}_us"] = round(direct.percentile(share))
            self.found[f"through_{name}_us"] = round(through.percentile(share))
            self.found[f"added_{name}_us"] = round(through.percentile(share) - direct.percentile(share))
        self.found["paced_per_s"] = round(rate)

    def _memory(self, server: Server) -> None:
        before = server.memory_bytes()
        left = MILLION
        while left > 0:
            found = self.one(server, Load(counting=True))
            left -= found["per_s"] * self.seconds
        self.found["memory_mb"] = [round(size / 1e6, 1) for size in (before, server.memory_bytes())]

    def _without_features(self) -> None:
        for name, features in FEATURES.items():
            with self.server("atoll", features) as server:
                found = self.one(server, Load())
            print(f"atoll, {name}: {json.dumps(found)}", flush=True)
            self.found.setdefault("by_feature", {})[name] = found

    def _cost_of(self, name: str) -> None:
        """Medians of rounds in turn, since the machine changes from minute to minute."""
        figures: dict[str, list[float]] = {"with_all": [], name: []}
        for _ in range(ROUNDS):
            for key, features in (("with_all", None), (name, FEATURES[name])):
                with self.server("atoll", features) as server:
                    found = self.one(server, Load())
                print(f"atoll, {key}: {json.dumps(found)}", flush=True)
                figures[key].append(found["cpu_us"])
        self.found |= {f"{key}_cpu_us": statistics.median(values) for key, values in figures.items()}

    def _ratios(self) -> None:
        found = self.found
        if "atoll_per_s" not in found:
            return
        ratios = found.setdefault("ratios", {})
        for name in self.chosen.names:
            if name != "atoll":
                ratios[name] = round(found["atoll_per_s"] / found[f"{name}_per_s"], 2)
                ratios[f"{name}_cpu"] = round(found["atoll_cpu_us"] / found[f"{name}_cpu_us"], 2)


def main(argv: list[str]) -> int:
    ending.exit_on_sigterm()
    chosen = arguments(argv)
    needed = {"nginx", "wrk", *({"haproxy", "caddy"} & set(chosen.names))}
    tools.install(sorted(needed | ({"node", "npm"} if "express" in chosen.names else set())))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    limit = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    with tempfile.TemporaryDirectory(prefix="atoll-bench-") as home, ExitStack() as stack:
        found = Bench(chosen, Path(home), stack).run()
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
