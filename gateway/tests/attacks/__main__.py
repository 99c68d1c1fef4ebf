"""The full attack, on the gateway as its users start it: ``make attack-gateway minutes=2``

Each kind of attacker in turn has the gateway for that long: 5,000 silent connections, 1,000 dripped heads,
bodies and chunks on every door, 200 downloads that nobody reads, 200 stalled uploads, 100 clients that go.
Quiet and attacked times take turns, so that both see the same neighbours on this machine.

The last line is one JSON object. For each kind: the p99 of a customer and of ``/health/live`` in
milliseconds, quiet and attacked; ``ratio``, the larger quotient of both; ``failed``, the requests that were
not answered with 200; and shares of a processor: ``edge_cpu`` and ``quiet_edge_cpu`` of the edge process,
``control_cpu`` of the gateway's others, ``attackers_cpu``, and ``waited`` and ``quiet_waited``, for which the
edge was ready and had no processor. It ends with 1 when a request failed, or when a p99 is more than twice
its quiet value (of at least 5 ms).
"""

import argparse
import json
import os
import resource
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench import ending, meters
from bench.gateway import ours, processes, service, surroundings, tools
from bench.gateway.ours import Features
from bench.gateway.processes import Server
from gateway.tests.attacks.attackers import DOORS
from gateway.tests.attacks.customer import Served, ask_all, attacked

ADDRESSES = [f"127.0.0.{number}" for number in range(2, 10)]
COUNTS = {
    "silent": 5000,
    "heads": 1000,
    "bodies": 1000,
    "chunks": 1000,
    "downloads": 200,
    "uploads": 200,
    "resets": 100,
}
LIVE, SHOP = "/health/live", "/api/products/small"
TURNS = 2
LEAST_P99_S = 0.005


def doors(kind: str) -> list[str]:
    if kind in ("downloads", "resets"):
        return ["/api/products/huge"]
    return ["/api/products/small"] if kind == "uploads" else list(DOORS)


@dataclass
class Phase:
    """What customers and processors saw while it was quiet, or attacked."""

    seconds: float = 0.0
    served: dict[str, Served] = field(default_factory=lambda: {LIVE: Served(), SHOP: Served()})
    spent_s: Counter[str] = field(default_factory=Counter)

    def run(self, server: Server, seconds: float, attackers: int | None = None) -> None:
        before = spent_s(server.pid, attackers)
        for target, one in ask_all(server.port, (LIVE, SHOP), seconds).items():
            self.served[target].took_s += one.took_s
            self.served[target].failed += one.failed
        self.spent_s.update(meters.spent(before, spent_s(server.pid, attackers)))
        self.seconds += seconds

    def share(self, name: str) -> float:
        return round(self.spent_s[name] / self.seconds, 3)


def spent_s(gateway: int, attackers: int | None) -> dict[str, float]:
    """Processor time of the edge, of the gateway's other processes, and of the attackers."""
    found = dict.fromkeys(("edge", "control", "waited", "attackers"), 0.0)
    for process in [psutil.Process(gateway), *psutil.Process(gateway).children(recursive=True)]:
        name = "edge" if " edge " in f"{' '.join(process.cmdline())} " else "control"
        found[name] += meters.cpu_of_process(process.pid)
        if name == "edge":
            found["waited"] += waited_s(process.pid)
    if attackers is not None:
        found["attackers"] = meters.cpu_of_process(attackers)
    return found


def waited_s(pid: int) -> float:
    """For so long the process was ready and had no processor; 0 where the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


def judged(quiet: Phase, attack: Phase) -> dict[str, Any]:
    found: dict[str, Any] = {"failed": 0, "ratio": 0.0}
    for name, target in (("live", LIVE), ("customer", SHOP)):
        usual_s, p99_s = quiet.served[target].p99_s, attack.served[target].p99_s
        found["failed"] += len(quiet.served[target].failed) + len(attack.served[target].failed)
        found[f"{name}_p99_ms"] = round(p99_s * 1000, 2)
        found[f"quiet_{name}_p99_ms"] = round(usual_s * 1000, 2)
        found["ratio"] = max(found["ratio"], round(p99_s / max(usual_s, LEAST_P99_S), 2))
    shares = {f"{name}_cpu": attack.share(name) for name in ("edge", "control", "attackers")}
    quiet_shares = {"quiet_edge_cpu": quiet.share("edge"), "quiet_waited": quiet.share("waited")}
    return found | shares | quiet_shares | {"waited": attack.share("waited")}


def main(argv: list[str]) -> int:
    ending.exit_on_sigterm()
    parser = argparse.ArgumentParser(prog="python -m gateway.tests.attacks", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="for each kind (1)")
    parser.add_argument("--only", choices=list(COUNTS), help="one kind")
    chosen = parser.parse_args(argv)
    tools.install(["nginx"])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="atoll-attack-") as name, ExitStack() as stack:
        home, other = Path(name), cores[1 % len(cores)]
        _, ports = stack.enter_context(service.running(home, other))
        around = stack.enter_context(surroundings.running(home, ports))
        public = Features(token=False)
        server = stack.enter_context(ours.running(home, around, cores[0], public, measured=False))
        os.sched_setaffinity(0, {other})  # customers, and the attackers that start from here
        found = {}
        for kind in [chosen.only] if chosen.only else COUNTS:
            found[kind] = one_kind(server, kind, chosen.minutes * 60)
            print(f"{kind}: {json.dumps(found[kind])}", flush=True)
    print(json.dumps(found))
    return int(any(one["failed"] or one["ratio"] > 2 for one in found.values()))


def one_kind(server: Server, kind: str, seconds: float) -> dict[str, Any]:
    quiet, attack = Phase(), Phase()
    for _ in range(TURNS):
        processes.wait_until_idle(server)
        quiet.run(server, seconds / TURNS)
        with attacked(kind, server.port, COUNTS[kind], ADDRESSES, doors(kind)) as attackers:
            attack.run(server, seconds / TURNS, attackers)
    return judged(quiet, attack)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
